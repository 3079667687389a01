import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { codeLanguage } from '../../../lib/lab/context/cellMagic.js';

const path = new URL('../../../../tests/support/cell_language_cases.json', import.meta.url);

for (const { source, language } of JSON.parse(readFileSync(path, 'utf-8'))) {
  test(`the language of ${JSON.stringify(source)}`, () => {
    assert.equal(codeLanguage(source, 'python'), language);
  });
}
