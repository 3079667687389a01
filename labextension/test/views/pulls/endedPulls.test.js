import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EndedPulls } from '../../../lib/views/pulls/endedPulls.js';

const state = (...pulls) => ({
  instance: 'i',
  models: new Map(),
  pulls: new Map(pulls.map(pull => [pull.name, pull]))
});
const pull = (name, status, started_at = 1) => ({ name, status, started_at });
const names = pulls => pulls.map(({ name }) => name);

test('a pull that ends is reported once, and one that had ended before is not', () => {
  const ended = new EndedPulls();
  assert.deepEqual(ended.update({ ...state(), instance: null }), []);
  assert.deepEqual(ended.update(state(pull('old', 'failed'), pull('a', 'pulling'))), []);
  assert.deepEqual(names(ended.update(state(pull('old', 'failed'), pull('a', 'done')))), ['a']);
  assert.deepEqual(ended.update(state(pull('old', 'failed'), pull('a', 'done'))), []);
});

test('each attempt is reported, also one that was never seen running', () => {
  const ended = new EndedPulls();
  ended.update(state(pull('a', 'failed', 1)));
  assert.deepEqual(names(ended.update(state(pull('a', 'failed', 2)))), ['a']);
  assert.deepEqual(names(ended.update(state(pull('a', 'done', 3), pull('b', 'done')))), ['a', 'b']);
});

test('pauses and cancellations are not reported', () => {
  const ended = new EndedPulls();
  ended.update(state(pull('a', 'pulling'), pull('b', 'pulling')));
  assert.deepEqual(ended.update(state(pull('a', 'paused'), pull('b', 'cancelled'))), []);
});
