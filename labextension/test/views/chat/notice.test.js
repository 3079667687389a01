import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withNotice } from '../../../lib/views/chat/notice.js';

const EMPTY = { content: '', thoughts: '', seconds: null, notice: '' };

test('an answer without text says what it waits for', () => {
  assert.equal(withNotice(EMPTY, 'loading').notice, 'Loading the model…');
  assert.equal(withNotice(EMPTY, 'busy').notice, 'Waiting for the answer…');
  assert.equal(withNotice(EMPTY, null).notice, 'Waiting for the answer…');
});

test('an answer that has begun, or has a notice, stays as it is', () => {
  for (const begun of [{ content: 'A' }, { thoughts: 'Hm' }, { notice: 'Reading the prompt' }]) {
    const answer = { ...EMPTY, ...begun };
    assert.equal(withNotice(answer, 'loading'), answer);
  }
});
