import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrange, COLUMNS, stateText } from '../../lib/views/columns.js';

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

test('names sort case-insensitively, numbers numerically', () => {
  assert.deepEqual(ids('name'), ['a', 'b', 'C']);
  assert.deepEqual(ids('name', true), ['C', 'b', 'a']);
  assert.deepEqual(ids('size'), ['C', 'b', 'a']);
  assert.deepEqual(ids('state'), ['a', 'C', 'b']);
});

test('every word of a filter must match the name, format or state', () => {
  assert.deepEqual(ids('name', false, 'q4'), ['b']);
  assert.deepEqual(ids('name', false, 'VISION failed'), ['C']);
  assert.deepEqual(ids('name', false, 'vision loaded'), []);
});

test('the state includes progress and time left', () => {
  const state = model => stateText({ id: 'm', pinned: false, ...model }, NOW);
  assert.equal(state({ state: 'loading', progress: 0.425 }), 'loading 42%');
  assert.equal(state({ state: 'loading', phase: 'converting', progress: 0 }), 'converting 0%');
  assert.equal(state({ state: 'loaded', expires_at: NOW + 240 }), 'loaded, 4 min left');
  assert.equal(state({ state: 'loaded', pinned: true }), 'loaded, pinned');
  assert.equal(state({ state: 'unloaded', pinned: true }), 'pinned, unloaded');
  assert.equal(state({ state: 'busy' }), 'busy');
});

test('cells with unknown values are empty', () => {
  const bare = { id: 'm', state: 'unloaded', pinned: false };
  const texts = COLUMNS.map(column => column.text(bare, NOW));
  assert.deepEqual(texts, ['m', '', '', '', '', 'unloaded', '', '']);
  const lastUsed = COLUMNS.find(column => column.key === 'used');
  assert.equal(lastUsed.text({ ...bare, last_used_at: NOW - 60 }, NOW), '1 min ago');
});

test('the context shows the loaded and the maximum length', () => {
  const context = COLUMNS.find(({ key }) => key === 'context');
  assert.equal(context.text({ num_ctx: 4096, context_length: 8192 }, NOW), '4096 of 8192');
  assert.equal(context.text({ num_ctx: 8192, context_length: 8192 }, NOW), '8192');
  assert.equal(context.text({ context_length: 8192 }, NOW), '8192');
  assert.equal(context.text({}, NOW), '');
});
