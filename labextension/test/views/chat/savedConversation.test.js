import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readConversation } from '../../../lib/views/chat/savedConversation.js';

test('a saved conversation is read back', () => {
  const answer = { content: 'Par', page: 'p', beat: 3 };
  const parameters = { temperature: 0.5, system: 'Be brief.' };
  const saved = { model: 'm', parameters, messages: [{ role: 'user', content: 'Hello' }], answer };
  const read = readConversation(JSON.parse(JSON.stringify(saved)));
  assert.deepEqual(read, saved);
});

test('what is not a conversation is left out', () => {
  for (const saved of [undefined, null, 7, {}, { model: 'm' }, { model: 1, messages: [] }]) {
    assert.equal(readConversation(saved), null);
  }
  const odd = {
    model: 'm',
    parameters: { seed: 'x', tools: 3 },
    messages: [null, 3, { role: 'user', content: 'a' }],
    answer: {}
  };
  assert.deepEqual(readConversation(odd), {
    model: 'm',
    parameters: {},
    messages: [{ role: 'user', content: 'a' }],
    answer: null
  });
});
