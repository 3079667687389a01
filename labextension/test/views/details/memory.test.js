import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bars, deviceTitle, partText } from '../../../lib/views/details/memory.js';
import { PlannedLoad, plannedLoad } from '../../../lib/views/details/plannedLoad.js';

const ram = (models, other = 20, total = 100) => ({
  name: 'RAM',
  kind: 'ram',
  total,
  other,
  free: total - other - Object.values(models).reduce((a, b) => a + b, 0),
  models
});
const gpu = (name, free, models = {}) => ({
  ...ram(models, 0, free + Object.values(models).reduce((a, b) => a + b, 0)),
  name,
  kind: 'gpu'
});
const plan = (total, more = {}) => ({ id: 'new', total, gpu: 0, evicts: [], ...more });
const short = bar => bar.map(({ kind, name, bytes }) => [name || kind, bytes]);

test('the parts of a device add up to its memory, the largest model first', () => {
  const [bar] = bars({ devices: [ram({ a: 10, b: 30 })] }, null);
  assert.deepEqual(short(bar), [
    ['b', 30],
    ['a', 10],
    ['other', 20],
    ['free', 40]
  ]);
});

test('a planned load takes free memory', () => {
  const [bar] = bars({ devices: [ram({ a: 10 })] }, plan(25));
  assert.deepEqual(short(bar), [
    ['a', 10],
    ['other', 20],
    ['new', 25],
    ['free', 45]
  ]);
});

test('a planned load replaces its model and those that are unloaded for it', () => {
  const [bar] = bars({ devices: [ram({ a: 10, b: 30, new: 5 })] }, plan(60, { evicts: ['b'] }));
  assert.deepEqual(short(bar), [
    ['a', 10],
    ['other', 20],
    ['new', 60],
    ['free', 10]
  ]);
});

test('what does not fit is a part of its own', () => {
  const [bar] = bars({ devices: [ram({})] }, plan(100));
  assert.deepEqual(
    bar.map(({ kind, bytes }) => [kind, bytes]),
    [
      ['other', 20],
      ['planned', 80],
      ['over', 20]
    ]
  );
});

test('a planned load is divided between RAM and GPUs by what is free', () => {
  const devices = [ram({}), gpu('CUDA0', 30), gpu('CUDA1', 10)];
  const [main, first, second] = bars({ devices }, plan(50, { gpu: 20 }));
  assert.deepEqual(short(main)[1], ['new', 30]);
  assert.deepEqual(short(first)[0], ['new', 15]);
  assert.deepEqual(short(second)[0], ['new', 5]);
});

test('on GPUs, the memory of models that are unloaded counts as free', () => {
  const devices = [ram({}), gpu('CUDA0', 10, { old: 20 }), gpu('CUDA1', 10)];
  const [, first, second] = bars({ devices }, plan(40, { gpu: 40, evicts: ['old'] }));
  assert.deepEqual(short(first), [['new', 30]]);
  assert.deepEqual(short(second), [['new', 10]]);
});

test('each part has a text', () => {
  const part = (kind, name = '') => partText({ kind, name, bytes: 5e9 });
  assert.equal(part('model', 'a'), 'a 5.0 GB');
  assert.equal(part('other'), 'other programs 5.0 GB');
  assert.equal(part('planned', 'a'), 'a would take 5.0 GB');
  assert.equal(part('over', 'a'), '5.0 GB short');
  assert.equal(part('free'), 'free 5.0 GB');
  assert.equal(deviceTitle({ name: 'CUDA0', description: 'A card' }), 'CUDA0 (A card)');
});

test('of two forms, the last one is the plan, and only it can end the plan', () => {
  const planned = new PlannedLoad();
  const seen = [];
  const unsubscribe = planned.subscribe(estimate => seen.push(estimate));
  const [one, two] = [{}, {}];
  planned.set(one, 1);
  planned.set(two, 2);
  planned.clear(one);
  planned.clear(two);
  unsubscribe();
  planned.set(one, 3);
  assert.deepEqual(seen, [null, 1, 2, null]);
  const store = {};
  assert.equal(plannedLoad(store), plannedLoad(store));
});
