import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeModel, statusBarText } from '../../lib/views/summary.js';

const models = (...list) => ({
  models: new Map(list.map(m => [m.id, { pinned: false, ...m }])),
  pulls: new Map()
});

test('the status bar text is empty when nothing is loaded', () => {
  assert.equal(statusBarText(models()), '');
  assert.equal(
    statusBarText(models({ id: 'a', state: 'unloaded' }, { id: 'b', state: 'failed' })),
    ''
  );
});

test('the status bar text names one model or counts several, and shows loads', () => {
  const loaded = { id: 'smollm2', state: 'loaded', memory_bytes: 120e6 };
  const busy = { id: 'gemma', state: 'busy', memory_bytes: 240e6 };
  const loading = { id: 'qwen', state: 'loading', progress: 0.409 };
  assert.equal(statusBarText(models(loaded)), 'Power: smollm2 · 120 MB');
  assert.equal(statusBarText(models({ id: 'far', state: 'loaded' })), 'Power: far');
  assert.equal(statusBarText(models(loading)), 'Power: loading qwen 40%');
  assert.equal(statusBarText(models({ id: 'qwen', state: 'loading' })), 'Power: loading qwen');
  assert.equal(
    statusBarText(models(loaded, busy, loading)),
    'Power: loading qwen 40%, 2 models · 360 MB · busy'
  );
});

test('a description has the state, memory, device and time left', () => {
  const model = { id: 'a', state: 'loaded', pinned: false, memory_bytes: 120e6, device: 'CPU' };
  assert.equal(
    describeModel({ ...model, expires_at: 1300 }, 1000),
    'a: idle, 120 MB, CPU, unloads in 5 min'
  );
  assert.equal(describeModel({ ...model, pinned: true }, 1000), 'a: idle, 120 MB, CPU, pinned');
  assert.equal(describeModel({ id: 'b', state: 'busy', pinned: false }, 1000), 'b: busy');
  const busy = { ...model, state: 'busy', requests_running: 2, tokens_per_second: 45.1 };
  assert.equal(describeModel(busy, 1000), 'a: busy, 2 running, 45 tokens/s, 120 MB, CPU');
});

test('the status bar text shows conversions and running pulls', () => {
  const state = models({ id: 'a', state: 'loading', phase: 'converting', progress: 0.5 });
  state.pulls.set('p', { name: 'p', status: 'pulling', completed: 1, total: 4 });
  state.pulls.set('q', { name: 'q', status: 'paused', completed: 1, total: 4 });
  assert.equal(statusBarText(state), 'Power: pulling p 25%, converting a 50%');
});
