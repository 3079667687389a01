import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ask, chatBody, formatSpeed } from '../lib/chat.js';

const piece = content => ({ choices: [{ delta: { content } }] });

function transport(...events) {
  return {
    async *stream(path, body, signal) {
      assert.equal(path, 'chat/completions');
      for (const event of events) {
        if (signal.aborted) {
          throw new DOMException('aborted', 'AbortError');
        }
        if (event instanceof Error) {
          throw event;
        }
        yield event;
      }
    }
  };
}

test('a request carries the conversation, the system prompt first', () => {
  const body = chatBody('m', [{ role: 'user', content: 'hi' }], {
    system: 'Be brief.',
    max_tokens: 9
  });
  assert.deepEqual(
    body.messages.map(message => message.role),
    ['system', 'user']
  );
  assert.equal(body.max_tokens, 9);
  assert.ok(!('system' in body) && !('temperature' in body) && body.stream);
});

test('the text grows, and the usage counts the tokens', async () => {
  const heard = [];
  let time = 0;
  const usage = { choices: [], usage: { completion_tokens: 11 } };
  const speed = await ask(
    transport(piece(''), piece('a'), piece('b'), usage),
    {},
    text => heard.push(text),
    new AbortController().signal,
    () => (time += 1000)
  );
  assert.deepEqual(heard, ['a', 'ab']);
  assert.deepEqual(speed, { tokens: 11, seconds: 1 });
  assert.equal(formatSpeed(speed), '11 tokens, 10 per second');
  assert.equal(formatSpeed({ tokens: 1, seconds: 0 }), '1 token');
});

test('stopping keeps what came', async () => {
  const abort = new AbortController();
  const heard = [];
  const take = text => {
    heard.push(text);
    abort.abort();
  };
  const speed = await ask(transport(piece('a'), piece('b')), {}, take, abort.signal);
  assert.deepEqual(heard, ['a']);
  assert.equal(speed.tokens, 1);
});

test('a failure is passed on', async () => {
  const failing = ask(
    transport(new Error('No such model.')),
    {},
    () => {},
    new AbortController().signal
  );
  await assert.rejects(failing, /No such model/);
});
