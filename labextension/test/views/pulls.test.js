import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  availableActions,
  fileProgressText,
  fraction,
  progressText,
  statusText
} from '../../lib/views/pulls.js';

const pull = changes => ({ name: 'p', status: 'pulling', ...changes });

test('a running pull has a size, rate and time left', () => {
  const running = pull({
    phase: 'downloading',
    completed: 49_200_000,
    total: 98_400_000,
    bytes_per_second: 12e6,
    eta_seconds: 4.1
  });
  assert.equal(statusText(running), 'downloading');
  assert.equal(fraction(running), 0.5);
  assert.equal(progressText(running), '49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left');
});

test('a pull without data is stalled', () => {
  assert.equal(
    progressText(pull({ completed: 1, total: 4, bytes_per_second: 0 })),
    '1 B of 4 B, stalled'
  );
});

test('the fraction is null while the size is unknown', () => {
  assert.equal(fraction(pull({ phase: 'resolving' })), null);
  assert.equal(statusText(pull({})), 'resolving');
  assert.equal(progressText(pull({})), '');
});

test('a finished pull has a size and no rate', () => {
  const done = pull({ status: 'done', completed: 4, total: 4, bytes_per_second: 9 });
  assert.equal(progressText(done), '4 B');
  assert.equal(fraction(done), 1);
});

test('a cancelled pull has no progress', () => {
  const cancelled = pull({ status: 'cancelled', completed: 3, total: 4 });
  assert.equal(fraction(cancelled), null);
  assert.equal(progressText(cancelled), '');
});

test('the available actions depend on the status', () => {
  assert.deepEqual(availableActions(pull({})), ['pause', 'cancel']);
  assert.deepEqual(availableActions(pull({ status: 'paused' })), ['resume', 'cancel']);
  assert.deepEqual(availableActions(pull({ status: 'failed' })), ['resume', 'cancel']);
  assert.deepEqual(availableActions(pull({ status: 'done' })), []);
  assert.deepEqual(availableActions(pull({ status: 'cancelled' })), ['start']);
  assert.deepEqual(availableActions(undefined), ['start']);
});

test('a file has its progress until it is complete', () => {
  const file = { name: 'a.gguf', size: 2_000_000 };
  assert.equal(fileProgressText({ ...file, completed: 500_000 }), 'a.gguf: 500 kB of 2.0 MB');
  assert.equal(fileProgressText({ ...file, completed: 2_000_000 }), 'a.gguf: 2.0 MB');
});
