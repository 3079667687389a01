import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describe, inMemory, summary } from '../lib/summary.js';

const models = (...list) => ({
  models: new Map(list.map(m => [m.id, { pinned: false, ...m }])),
  pulls: new Map()
});

test('the status line is empty when nothing is loaded', () => {
  assert.equal(summary(models()), '');
  assert.equal(summary(models({ id: 'a', state: 'unloaded' }, { id: 'b', state: 'failed' })), '');
});

test('the status line names one model, counts several, and says what loads', () => {
  const loaded = { id: 'smollm2', state: 'loaded', memory_bytes: 120e6 };
  const busy = { id: 'gemma', state: 'busy', memory_bytes: 240e6 };
  const loading = { id: 'qwen', state: 'loading', progress: 0.409 };
  assert.equal(summary(models(loaded)), 'Power: smollm2 · 120 MB');
  assert.equal(summary(models({ id: 'far', state: 'loaded' })), 'Power: far');
  assert.equal(summary(models(loading)), 'Power: loading qwen 40 %');
  assert.equal(summary(models({ id: 'qwen', state: 'loading' })), 'Power: loading qwen');
  assert.equal(
    summary(models(loaded, busy, loading)),
    'Power: loading qwen 40 %, 2 models · 360 MB · busy'
  );
});

test('a model is described by state, memory, device and how long it stays', () => {
  const model = { id: 'a', state: 'loaded', pinned: false, memory_bytes: 120e6, device: 'CPU' };
  assert.equal(
    describe({ ...model, expires_at: 1300 }, 1000),
    'a: idle, 120 MB, CPU, unloads in 5 min'
  );
  assert.equal(describe({ ...model, pinned: true }, 1000), 'a: idle, 120 MB, CPU, pinned');
  assert.equal(describe({ id: 'b', state: 'busy', pinned: false }, 1000), 'b: busy');
});

test('the status line tells of conversions and pulls', () => {
  const state = models({ id: 'a', state: 'loading', phase: 'converting', progress: 0.5 });
  state.pulls.set('p', { name: 'p', status: 'pulling', completed: 1, total: 4 });
  state.pulls.set('q', { name: 'q', status: 'paused', completed: 1, total: 4 });
  assert.equal(summary(state), 'Power: pulling p 25 %, converting a 50 %');
});

test('what is in memory, counted', () => {
  const { models: two } = models(
    { id: 'a', state: 'loaded', memory_bytes: 120e6 },
    { id: 'b', state: 'unloaded' }
  );
  assert.equal(inMemory(two), '2 models, 1 in memory: 120 MB');
  assert.equal(inMemory(models({ id: 'a', state: 'failed' }).models), '1 model, none in memory');
});
