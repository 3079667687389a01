import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actions, facts, fileFacts, fraction, word } from '../../lib/views/pulls.js';

const pull = changes => ({ name: 'p', status: 'pulling', ...changes });

test('facts of a pull under way', () => {
  const running = pull({
    phase: 'downloading',
    completed: 49_200_000,
    total: 98_400_000,
    bytes_per_second: 12e6,
    eta_seconds: 4.1
  });
  assert.equal(word(running), 'downloading');
  assert.equal(fraction(running), 0.5);
  assert.equal(facts(running), '49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left');
});

test('a pull that stalls says so', () => {
  assert.equal(
    facts(pull({ completed: 1, total: 4, bytes_per_second: 0 })),
    '1 B of 4 B, nothing arrives'
  );
});

test('before the size is known there is no fraction', () => {
  assert.equal(fraction(pull({ phase: 'resolving' })), null);
  assert.equal(word(pull({})), 'asking the hub');
  assert.equal(facts(pull({})), '');
});

test('a pull that is over has a size and no rate', () => {
  const done = pull({ status: 'done', completed: 4, total: 4, bytes_per_second: 9 });
  assert.equal(facts(done), '4 B');
  assert.equal(fraction(done), 1);
});

test('a pull that was cancelled has nothing to show', () => {
  const cancelled = pull({ status: 'cancelled', completed: 3, total: 4 });
  assert.equal(fraction(cancelled), null);
  assert.equal(facts(cancelled), '');
});

test('what can be done depends on how it is', () => {
  assert.deepEqual(actions(pull({})), ['pause', 'cancel']);
  assert.deepEqual(actions(pull({ status: 'paused' })), ['resume', 'cancel']);
  assert.deepEqual(actions(pull({ status: 'failed' })), ['resume', 'cancel']);
  assert.deepEqual(actions(pull({ status: 'done' })), []);
  assert.deepEqual(actions(pull({ status: 'cancelled' })), ['start']);
  assert.deepEqual(actions(undefined), ['start']);
});

test('a file says how much of it is here, until it is whole', () => {
  const file = { name: 'a.gguf', size: 2_000_000 };
  assert.equal(fileFacts({ ...file, completed: 500_000 }), 'a.gguf: 500 kB of 2.0 MB');
  assert.equal(fileFacts({ ...file, completed: 2_000_000 }), 'a.gguf: 2.0 MB');
});
