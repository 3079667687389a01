import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describe, formatBytes, formatDuration, summary } from '../lib/format.js';

const models = (...list) => new Map(list.map(m => [m.id, { pinned: false, ...m }]));

test('sizes have one decimal below 100, and never four digits', () => {
  const sizes = { 0: '0 B', 999: '999 B', 1000: '1.0 kB', 98_120_000: '98.1 MB' };
  for (const [bytes, text] of Object.entries(sizes)) {
    assert.equal(formatBytes(Number(bytes)), text);
  }
  assert.equal(formatBytes(119_600_000), '120 MB');
  assert.equal(formatBytes(999_600), '1.0 MB');
  assert.equal(formatBytes(1_204_000_000), '1.2 GB');
  assert.equal(formatBytes(5e15), '5000 TB');
});

test('durations are in one unit', () => {
  assert.equal(formatDuration(-3), '0 s');
  assert.equal(formatDuration(59.4), '59 s');
  assert.equal(formatDuration(59.6), '1 min');
  assert.equal(formatDuration(290), '5 min');
  assert.equal(formatDuration(7200), '2 h');
  assert.equal(formatDuration(3 * 86400), '3 d');
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
