import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { findCode, findGrowingCode } from '../../../lib/lab/code/answerCode.js';

const path = new URL('../../../../tests/support/answer_code_cases.json', import.meta.url);
const cases = JSON.parse(readFileSync(path, 'utf-8'));

for (const { name, language, answer, code, note } of cases) {
  test(name, () => assert.deepEqual(findCode(answer, language), { code, note }));
}

test('code that is being written only grows', () => {
  const answer = 'Here it is:\n\n```python\nx = 1\ny = 2\n```\n\nIt sets both.';
  let shown = '';
  for (let end = 0; end <= answer.length; end += 1) {
    const code = findGrowingCode(answer.slice(0, end), 'python');
    assert.ok(code === null || code.startsWith(shown), `${code} after ${shown}`);
    shown = code ?? shown;
  }
  assert.equal(shown, 'x = 1\ny = 2');
});
