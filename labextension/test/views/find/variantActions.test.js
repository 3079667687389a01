import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actionOf } from '../../../lib/views/find/variantActions.js';

const variant = { reference: 'a/b:Q4_0', installed: null };
const model = { id: 'a/b:Q4_0', capabilities: ['completion', 'chat'] };
const state = (models = [], pulls = []) => ({
  instance: 'i',
  models: new Map(models.map(model => [model.id, model])),
  pulls: new Map(pulls.map(pull => [pull.name, pull]))
});
const pulled = facts => state([], [{ name: 'a/b:Q4_0', ...facts }]);

test('a model that is not here can be pulled, and its pull resumed or retried', () => {
  assert.deepEqual(actionOf(variant, state()), { kind: 'pull', label: 'Pull' });
  assert.equal(actionOf(variant, pulled({ status: 'paused' })).label, 'Resume');
  assert.equal(actionOf(variant, pulled({ status: 'failed' })).label, 'Retry');
  assert.equal(actionOf(variant, pulled({ status: 'cancelled' })).label, 'Pull');
});

test('a running pull shows its progress', () => {
  const running = { status: 'pulling', completed: 425, total: 1000 };
  assert.deepEqual(actionOf(variant, pulled(running)), { kind: 'pulling', label: 'Pulling 42%' });
  assert.equal(actionOf(variant, pulled({ status: 'pulling' })).label, 'Pulling…');
});

test('a model that is here can be chatted with, under any name', () => {
  const installed = { kind: 'installed', name: 'a/b:Q4_0', canChat: true };
  assert.deepEqual(actionOf(variant, state([model])), installed);
  const named = { ...variant, installed: 'mine' };
  const mine = { id: 'mine', capabilities: ['embeddings'] };
  assert.deepEqual(actionOf(named, state([mine])), {
    kind: 'installed',
    name: 'mine',
    canChat: false
  });
});

test('a model that was deleted since the server listed it can be pulled again', () => {
  assert.equal(actionOf({ ...variant, installed: 'mine' }, state()).kind, 'pull');
});
