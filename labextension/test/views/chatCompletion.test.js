import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chatRequest, formatSpeed, streamAnswer } from '../../lib/views/chatCompletion.js';

const chunk = content => ({ choices: [{ delta: { content } }] });

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

test('a request has the system prompt, then the conversation', () => {
  const request = chatRequest('m', [{ role: 'user', content: 'hi' }], {
    system: 'Be brief.',
    max_tokens: 9
  });
  assert.deepEqual(
    request.messages.map(message => message.role),
    ['system', 'user']
  );
  assert.equal(request.max_tokens, 9);
  assert.ok(!('system' in request) && !('temperature' in request) && request.stream);
});

test('the text accumulates, and the usage gives the number of tokens', async () => {
  const texts = [];
  let time = 0;
  const usage = { choices: [], usage: { completion_tokens: 11 } };
  const speed = await streamAnswer(
    transport(chunk(''), chunk('a'), chunk('b'), usage),
    {},
    text => texts.push(text),
    new AbortController().signal,
    () => (time += 1000)
  );
  assert.deepEqual(texts, ['a', 'ab']);
  assert.deepEqual(speed, { tokens: 11, seconds: 1 });
  assert.equal(formatSpeed(speed), '11 tokens, 10 per second');
  assert.equal(formatSpeed({ tokens: 1, seconds: 0 }), '1 token');
});

test('aborting keeps the text so far', async () => {
  const abort = new AbortController();
  const texts = [];
  const onText = text => {
    texts.push(text);
    abort.abort();
  };
  const speed = await streamAnswer(transport(chunk('a'), chunk('b')), {}, onText, abort.signal);
  assert.deepEqual(texts, ['a']);
  assert.equal(speed.tokens, 1);
});

test('an error in the stream rejects', async () => {
  const failing = streamAnswer(
    transport(new Error('No such model.')),
    {},
    () => {},
    new AbortController().signal
  );
  await assert.rejects(failing, /No such model/);
});
