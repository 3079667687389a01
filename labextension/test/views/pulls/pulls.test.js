import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
  briefly,
  bytesToLose,
  canRetry,
  facts,
  fileFacts,
  fraction,
  hasBegun,
  label,
  lastAction,
  mainAction,
  note,
  summary
} from '../../../lib/views/pulls/pulls.js';

const pull = changes => ({ name: 'p', status: 'pulling', ...changes });

// The same cases as in tests/unit/display/test_pull_progress.py.
const path = new URL('../../../../tests/support/pull_display_cases.json', import.meta.url);
for (const expected of JSON.parse(readFileSync(path, 'utf8'))) {
  test(`display of a pull: ${expected.case}`, () => {
    const status = pull(expected.status);
    assert.equal(fraction(status), expected.fraction);
    assert.equal(label(status), expected.label);
    assert.equal(facts(status), expected.facts);
    assert.equal(summary(status), expected.summary);
    assert.equal(note(status), expected.note ?? '');
  });
}

test('the actions depend on the status', () => {
  const buttons = changes => [mainAction(pull(changes)), lastAction(pull(changes))];
  assert.deepEqual(buttons({}), ['pause', 'cancel']);
  assert.deepEqual(buttons({ status: 'paused' }), ['resume', 'cancel']);
  assert.deepEqual(buttons({ status: 'failed' }), ['retry', 'dismiss']);
  assert.deepEqual(buttons({ status: 'done' }), [null, 'dismiss']);
  assert.deepEqual(buttons({ status: 'cancelled' }), ['start', 'dismiss']);
  assert.deepEqual([mainAction(undefined), lastAction(undefined)], ['start', null]);
});

test('a pull can be repeated unless the request itself is wrong', () => {
  const retried = error => canRetry(pull({ status: 'failed', error: { message: 'x', ...error } }));
  assert.equal(retried({ type: 'server_error', code: 'hub_error' }), true);
  assert.equal(retried({ type: 'server_error', code: 'insufficient_disk' }), true);
  assert.equal(retried({ type: 'authentication_error', code: 'hub_unauthorized' }), true);
  assert.equal(retried({ type: 'authentication_error', param: 'name' }), true); // it may be private
  assert.equal(retried({ type: 'invalid_request_error', param: 'name' }), false); // not on the hub
  const damaged = { type: 'invalid_request_error', code: 'invalid_gguf', reason: 'damaged_on_hub' };
  assert.equal(retried(damaged), true); // it may be replaced there
  assert.equal(retried({ ...damaged, reason: undefined }), false);
  assert.equal(retried({ type: 'invalid_request_error', code: 'ambiguous_reference' }), false);
  assert.equal(canRetry(pull({ status: 'paused' })), false);
});

test('cancelling asks only if there are bytes on disk', () => {
  assert.equal(bytesToLose(pull({})), 0);
  assert.equal(bytesToLose(pull({ completed: 5, total: 9 })), 5);
  assert.equal(bytesToLose(pull({ status: 'failed', completed: 5 })), 5);
  assert.equal(bytesToLose(pull({ status: 'done', completed: 9, total: 9 })), 0);
  assert.equal(bytesToLose(pull({ status: 'cancelled', completed: 5 })), 0);
});

test('a pull has begun once its files are known', () => {
  assert.equal(hasBegun(pull({})), false);
  assert.equal(hasBegun(pull({ phase: 'resolving' })), false);
  assert.equal(hasBegun(pull({ phase: 'resolving', total: 5 })), true);
  assert.equal(hasBegun(pull({ phase: 'waiting' })), true);
  assert.equal(hasBegun(pull({ status: 'failed' })), true);
});

test('a candidate is shown without the repository if it is the same', () => {
  assert.equal(briefly('a/b:Q4_0', 'a/b:Q4'), 'Q4_0');
  assert.equal(briefly('a/b/x/m.gguf', 'a/b'), 'x/m.gguf');
  assert.equal(briefly('a/b', 'a/b:Q4'), 'a/b');
  assert.equal(briefly('a/bc:Q4_0', 'a/b:Q4'), 'a/bc:Q4_0');
  assert.equal(briefly('a/b:Q4_0', 'text'), 'a/b:Q4_0');
});

test('facts of an incomplete and a complete file', () => {
  const file = { name: 'a.gguf', size: 2_000_000 };
  assert.equal(fileFacts({ ...file, completed: 500_000 }), 'a.gguf: 500 kB of 2.0 MB');
  assert.equal(fileFacts({ ...file, completed: 2_000_000 }), 'a.gguf: 2.0 MB');
});
