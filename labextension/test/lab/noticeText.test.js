import assert from 'node:assert/strict';
import { test } from 'node:test';

import { noticeText } from '../../lib/lab/noticeText.js';

test('a notification says what failed and why', () => {
  assert.deepEqual(noticeText('Could not load a.', 'It is busy.'), {
    text: 'Could not load a. It is busy.',
    isShortened: false
  });
  assert.equal(noticeText('Could not load a.', '').text, 'Could not load a.');
});

test('a reason that JupyterLab would cut is left out as a whole', () => {
  const what = 'Could not load a.';
  const longest = 'x'.repeat(140 - what.length - 1);
  assert.equal(noticeText(what, longest).isShortened, false);
  assert.deepEqual(noticeText(what, `${longest}x`), { text: what, isShortened: true });
});
