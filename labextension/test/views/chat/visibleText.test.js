import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { visible } from '../../../lib/views/chat/visibleText.js';

const CASES = new URL('../../../../tests/support/visible_text_cases.json', import.meta.url);

test('characters that are not seen are written out, as in Python', () => {
  for (const [text, shown] of Object.entries(JSON.parse(readFileSync(CASES, 'utf8')))) {
    assert.equal(visible(text), shown);
  }
});
