import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrange, COLUMNS, emptyColumns, stateText } from '../../../lib/views/table/columns.js';

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
  { id: 'C', state: 'failed', format: 'vision', capabilities: ['completion', 'chat', 'tools'] }
];
const ids = (key, descending = false, filter = '') =>
  arrange(MODELS, { key, descending }, filter).map(model => model.id);

test('names sort case-insensitively, numbers numerically, after models in memory', () => {
  assert.deepEqual(ids('name'), ['a', 'b', 'C']);
  assert.deepEqual(ids('name', true), ['a', 'C', 'b']);
  assert.deepEqual(ids('size'), ['a', 'C', 'b']);
  assert.deepEqual(ids('size', true), ['a', 'b', 'C']);
  assert.deepEqual(ids('state'), ['a', 'C', 'b']);
});

test('columns without any text are empty', () => {
  const empty = ['parameters', 'context', 'memory', 'used'];
  assert.deepEqual(emptyColumns(MODELS), empty);
  const used = { ...MODELS[0], last_used_at: NOW, memory_bytes: 5 };
  assert.deepEqual(emptyColumns([...MODELS, used]), ['parameters', 'context']);
});

test('every word of a filter must match the name, format, state or a capability', () => {
  assert.deepEqual(ids('name', false, 'q4'), ['b']);
  assert.deepEqual(ids('name', false, 'VISION failed'), ['C']);
  assert.deepEqual(ids('name', false, 'vision loaded'), []);
  assert.deepEqual(ids('name', false, 'tools'), ['C']);
  assert.deepEqual(ids('name', false, 'chat'), []);
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

test('the context shows the loaded or the maximum length, or how much is in use', () => {
  const { text, hint } = COLUMNS.find(({ key }) => key === 'context');
  const model = { num_ctx: 4096, context_length: 8192 };
  assert.equal(text({ context_length: 8192 }, NOW), '8192');
  assert.equal(text(model, NOW), '4096');
  assert.equal(hint(model), 'the model supports 8,192');
  assert.equal(text({}, NOW), '');
  const busy = { ...model, state: 'busy', cache_tokens: 1712, cache_capacity: 4096 };
  assert.equal(text(busy, NOW), '1.7k of 4.1k');
  assert.equal(hint(busy), '1,712 of 4,096 tokens in use; the model supports 8,192');
  assert.equal(text({ ...busy, state: 'loaded' }, NOW), '4096');
});

test('the activity is the speed or the time since the last request', () => {
  const { text } = COLUMNS.find(({ key }) => key === 'used');
  const busy = { state: 'busy', tokens_per_second: 45, last_used_at: NOW };
  assert.equal(text(busy, NOW), '45 tokens/s');
  assert.equal(text({ ...busy, tokens_per_second: undefined }, NOW), '');
  assert.equal(text({ ...busy, state: 'loaded' }, NOW + 60), '1 min ago');
  assert.equal(text({ state: 'unloaded' }, NOW), '');
});
