import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrange, COLUMNS, stateOf } from '../lib/columns.js';

const NOW = 1000;
const MODELS = [
  {
    id: 'b',
    state: 'unloaded',
    size_bytes: 5,
    format: 'gguf',
    parameters: { quantization: 'Q4_0' }
  },
  { id: 'a', state: 'loaded', size_bytes: 50, expires_at: NOW + 240, pinned: false },
  { id: 'C', state: 'failed', format: 'vision' }
];
const ids = (key, descending = false, filter = '') =>
  arrange(MODELS, { key, descending }, filter).map(model => model.id);

test('names sort without regard to case, numbers as numbers', () => {
  assert.deepEqual(ids('name'), ['a', 'b', 'C']);
  assert.deepEqual(ids('name', true), ['C', 'b', 'a']);
  assert.deepEqual(ids('size'), ['C', 'b', 'a']);
  assert.deepEqual(ids('state'), ['a', 'C', 'b']);
});

test('each word of a filter must be in the name, the format or the state', () => {
  assert.deepEqual(ids('name', false, 'q4'), ['b']);
  assert.deepEqual(ids('name', false, 'VISION failed'), ['C']);
  assert.deepEqual(ids('name', false, 'vision loaded'), []);
});

test('states in words', () => {
  const state = model => stateOf({ id: 'm', pinned: false, ...model }, NOW);
  assert.equal(state({ state: 'loading', progress: 0.425 }), 'loading 42 %');
  assert.equal(state({ state: 'loading', phase: 'converting', progress: 0 }), 'converting 0 %');
  assert.equal(state({ state: 'loaded', expires_at: NOW + 240 }), 'loaded, 4 min left');
  assert.equal(state({ state: 'loaded', pinned: true }), 'loaded, pinned');
  assert.equal(state({ state: 'unloaded', pinned: true }), 'pinned, unloaded');
  assert.equal(state({ state: 'busy' }), 'busy');
});

test('a cell of what is not known is empty', () => {
  const bare = { id: 'm', state: 'unloaded', pinned: false };
  const texts = COLUMNS.map(column => column.text(bare, NOW));
  assert.deepEqual(texts, ['m', '', '', '', '', 'unloaded', '', '']);
  const used = COLUMNS.find(column => column.key === 'used');
  assert.equal(used.text({ ...bare, last_used_at: NOW - 60 }, NOW), '1 min ago');
});

test('the context that a model is loaded with stands beside the one that it could have', () => {
  const context = COLUMNS.find(({ key }) => key === 'context');
  assert.equal(context.text({ num_ctx: 4096, context_length: 8192 }, NOW), '4096 of 8192');
  assert.equal(context.text({ num_ctx: 8192, context_length: 8192 }, NOW), '8192');
  assert.equal(context.text({ context_length: 8192 }, NOW), '8192');
  assert.equal(context.text({}, NOW), '');
});
