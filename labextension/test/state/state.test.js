import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EMPTY, loadedModels, loadingModels, reduce } from '../../lib/state/state.js';

const model = (id, state) => ({ id, state, pinned: false });
const after = (...events) => events.reduce(reduce, EMPTY);

test('a snapshot replaces the state', () => {
  const { models, pulls } = after(
    { type: 'snapshot', models: [model('a', 'loaded')] },
    { type: 'pull', pull: { name: 'old', status: 'done' } },
    { type: 'snapshot', models: [model('b', 'unloaded')], pulls: [{ name: 'p', status: 'paused' }] }
  );
  assert.deepEqual([...models.keys()], ['b']);
  assert.deepEqual([...pulls.keys()], ['p']);
});

test('an event adds or replaces a model or pull', () => {
  const { models, pulls } = after(
    { type: 'model', model: model('a', 'loading') },
    { type: 'model', model: model('a', 'loaded') },
    { type: 'pull', pull: { name: 'p', status: 'pulling' } },
    { type: 'pull', pull: { name: 'p', status: 'done' } }
  );
  assert.equal(models.get('a').state, 'loaded');
  assert.equal(pulls.get('p').status, 'done');
  assert.equal(models.size + pulls.size, 2);
});

test('the memory is that of the last event', () => {
  const memory = free => ({ devices: [{ name: 'RAM', free }] });
  assert.equal(after({ type: 'snapshot', models: [] }).memory, null);
  const before = { type: 'snapshot', models: [], memory: memory(5) };
  assert.equal(after(before).memory.devices[0].free, 5);
  assert.equal(after(before, { type: 'memory', memory: memory(4) }).memory.devices[0].free, 4);
});

test('a deletion does not mutate the previous state', () => {
  const before = after(
    { type: 'model', model: model('a', 'loaded') },
    { type: 'pull', pull: { name: 'p', status: 'done' } }
  );
  assert.equal(reduce(before, { type: 'model_deleted', id: 'a' }).models.size, 0);
  assert.equal(reduce(before, { type: 'pull_deleted', name: 'p' }).pulls.size, 0);
  assert.equal(before.models.size + before.pulls.size, 2);
});

test('a model event keeps the map of pulls identical', () => {
  const before = after({ type: 'pull', pull: { name: 'p', status: 'done' } });
  assert.equal(reduce(before, { type: 'model', model: model('a', 'loaded') }).pulls, before.pulls);
});

test('an unknown event type is ignored', () => {
  const before = after({ type: 'model', model: model('a', 'loaded') });
  assert.equal(reduce(before, { type: 'weather' }), before);
});

test('loaded and loading models are sorted by id', () => {
  const states = ['unloaded', 'unloading', 'loading', 'loaded', 'busy', 'failed'];
  const { models } = after({
    type: 'snapshot',
    models: states.map((state, i) => model(`${9 - i}-${state}`, state))
  });
  assert.deepEqual(
    loadedModels(models).map(m => m.state),
    ['busy', 'loaded', 'unloading']
  );
  assert.deepEqual(
    loadingModels(models).map(m => m.state),
    ['loading']
  );
});
