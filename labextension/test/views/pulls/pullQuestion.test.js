import assert from 'node:assert/strict';
import { test } from 'node:test';

import { choiceTexts } from '../../../lib/views/pulls/pullQuestion.js';

test('a pull that has failed is dismissed, not cancelled', () => {
  const failed = choiceTexts('a/b', true);
  assert.equal(failed.keep, 'Dismiss, keep files');
  assert.equal(failed.keepLabel, 'Dismiss a/b, keep files');
  assert.doesNotMatch(Object.values(failed).join(), /cancel/i);
  assert.equal(choiceTexts('a/b', false).keep, 'Cancel, keep files');
});
