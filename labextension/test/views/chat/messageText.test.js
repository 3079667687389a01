import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  callsOf,
  callText,
  contentOf,
  oneLine,
  thoughtsOf,
  thoughtsTitle
} from '../../../lib/views/chat/messageText.js';

test('content is a string, parts or nothing', () => {
  assert.equal(contentOf({ role: 'user', content: 'a' }), 'a');
  const parts = [{ type: 'text', text: 'a' }, { type: 'image_url' }, null, 7, { text: 'b' }];
  assert.equal(contentOf({ role: 'user', content: parts }), 'a\nb');
  for (const content of [null, undefined, 7, {}]) {
    assert.equal(contentOf({ role: 'user', content }), '');
  }
});

test('thoughts and calls of another form are left out', () => {
  assert.equal(thoughtsOf({ role: 'assistant', reasoning_content: 'Hm.' }), 'Hm.');
  assert.equal(thoughtsOf({ role: 'assistant', reasoning_content: ['Hm.'] }), '');
  const call = { id: '1', function: { name: 'f', arguments: '{"a":1}' } };
  assert.deepEqual(callsOf({ role: 'assistant', tool_calls: [call, null, 7, {}] }), [
    { id: '1', name: 'f', arguments: '{"a":1}' }
  ]);
  assert.deepEqual(callsOf({ role: 'assistant', tool_calls: 'f' }), []);
});

test('a call is one line', () => {
  assert.equal(callText({ name: 'f', arguments: '{}' }), 'f()');
  assert.equal(callText({ name: 'f', arguments: '{"a":\n1}' }), 'f(a=1)');
  assert.equal(callText({ name: 'f', arguments: '{"a": "Par' }), 'f({"a": "Par)');
  assert.equal(oneLine('x'.repeat(101)), `${'x'.repeat(100)}...`);
  assert.equal(oneLine(' '.repeat(1000)), '...');
});

test('the title of thoughts has their time', () => {
  assert.equal(thoughtsTitle(3.21, true), 'Thinking for 3.2 s');
  assert.equal(thoughtsTitle(12.3, false), 'Thoughts (12 s)');
  assert.equal(thoughtsTitle(null, false), 'Thoughts');
});
