import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
  actions,
  facts,
  fileFacts,
  fraction,
  label,
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
  assert.deepEqual(actions(pull({})), ['pause', 'cancel']);
  assert.deepEqual(actions(pull({ status: 'paused' })), ['resume', 'cancel']);
  assert.deepEqual(actions(pull({ status: 'failed' })), ['resume', 'cancel']);
  assert.deepEqual(actions(pull({ status: 'done' })), []);
  assert.deepEqual(actions(pull({ status: 'cancelled' })), ['start']);
  assert.deepEqual(actions(undefined), ['start']);
});

test('facts of an incomplete and a complete file', () => {
  const file = { name: 'a.gguf', size: 2_000_000 };
  assert.equal(fileFacts({ ...file, completed: 500_000 }), 'a.gguf: 500 kB of 2.0 MB');
  assert.equal(fileFacts({ ...file, completed: 2_000_000 }), 'a.gguf: 2.0 MB');
});
