import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { fill, messagesOf } from '../../../lib/lab/code/prompts.js';

const path = new URL('../../../../tests/support/prompt_cases.json', import.meta.url);
const cases = JSON.parse(readFileSync(path, 'utf-8'));

for (const { name, template, values, filled } of cases) {
  test(name, () => assert.equal(fill(template, values), filled));
}

test('an empty system prompt is no message', () => {
  const user = { role: 'user', content: 'Hi' };
  assert.deepEqual(messagesOf({ system: '', user: '{question}' }, { question: 'Hi' }), [user]);
  const [system] = messagesOf({ system: 'Be brief.', user: 'x' }, {});
  assert.deepEqual(system, { role: 'system', content: 'Be brief.' });
});
