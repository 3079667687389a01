import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadedModels, loadingModels, NO_MODELS, reduce } from '../lib/events.js';

const model = (id, state) => ({ id, state, pinned: false });
const after = (...events) => events.reduce(reduce, NO_MODELS);

test('a snapshot replaces what was known', () => {
  const models = after(
    { type: 'snapshot', models: [model('a', 'loaded')] },
    { type: 'snapshot', models: [model('b', 'unloaded')], pulls: [] }
  );
  assert.deepEqual([...models.keys()], ['b']);
});

test('a model event adds a model or replaces its state', () => {
  const models = after(
    { type: 'model', model: model('a', 'loading') },
    { type: 'model', model: model('a', 'loaded') }
  );
  assert.equal(models.get('a').state, 'loaded');
  assert.equal(models.size, 1);
});

test('a deleted model is gone, and the map before it is untouched', () => {
  const before = after({ type: 'model', model: model('a', 'loaded') });
  assert.equal(reduce(before, { type: 'model_deleted', id: 'a' }).size, 0);
  assert.equal(before.size, 1);
});

test('an event of a later server changes nothing', () => {
  const before = after({ type: 'model', model: model('a', 'loaded') });
  assert.equal(reduce(before, { type: 'pull', pull: {} }), before);
});

test('models are told apart by whether they hold memory, sorted by id', () => {
  const states = ['unloaded', 'unloading', 'loading', 'loaded', 'busy', 'failed'];
  const models = after({
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
