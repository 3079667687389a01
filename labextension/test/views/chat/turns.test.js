import assert from 'node:assert/strict';
import { test } from 'node:test';

import { leavesQuestion, upToQuestion, withoutMessage } from '../../../lib/views/chat/turns.js';

const named = text => text.split(' ').map(name => ({ role: ROLES[name[0]], content: name }));
const ROLES = { s: 'system', q: 'user', a: 'assistant', t: 'tool' };
const names = messages => messages.map(({ content }) => content).join(' ');
const CHAT = named('s q1 a1 q2 a2 t2 a3');

test('a question is deleted with its answers', () => {
  assert.equal(names(withoutMessage(CHAT, 1)), 's q2 a2 t2 a3');
  assert.equal(names(withoutMessage(CHAT, 3)), 's q1 a1');
});

test('the last answer leaves its question, and another one takes it along', () => {
  for (const index of [4, 5, 6]) {
    assert.ok(leavesQuestion(CHAT, index));
    assert.equal(names(withoutMessage(CHAT, index)), 's q1 a1 q2');
  }
  assert.ok(!leavesQuestion(CHAT, 2));
  assert.equal(names(withoutMessage(CHAT, 2)), 's q2 a2 t2 a3');
});

test('a message before all questions is deleted alone', () => {
  assert.equal(names(withoutMessage(CHAT, 0)), 'q1 a1 q2 a2 t2 a3');
  assert.deepEqual(withoutMessage(named('a1'), 0), []);
});

test('an answer is given to the last question', () => {
  assert.equal(names(upToQuestion(CHAT)), 's q1 a1 q2');
  assert.equal(names(upToQuestion(named('s a1'))), 's a1');
});
