import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chatRequest, streamAnswer } from '../../../lib/views/chat/chatCompletion.js';

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
  const messages = [{ role: 'user', content: 'hi' }];
  const request = chatRequest('m', messages, { system: 'Be brief.', max_tokens: 9 }, true);
  assert.deepEqual(
    request.messages.map(message => message.role),
    ['system', 'user']
  );
  assert.equal(request.max_tokens, 9);
  assert.ok(!('system' in request) && !('temperature' in request) && request.stream);
  assert.ok(request.return_progress && request.timings_per_token);
});

test('the upstream of a remote model is not asked for what only this server knows', () => {
  const request = chatRequest('m', [], {}, false);
  assert.ok(!('return_progress' in request) && !('timings_per_token' in request));
});

const timings = { prompt_n: 3, prompt_ms: 1, predicted_n: 11, predicted_ms: 2, cache_n: 0 };

test('the text accumulates, and the answer has the counts and the times', async () => {
  const calls = [];
  let time = 0;
  const usage = { prompt_tokens: 3, completion_tokens: 11 };
  const answer = await streamAnswer(
    transport(
      { choices: [], prompt_progress: { processed: 1, total: 3, cache: 0 } },
      chunk(''),
      chunk('a'),
      { ...chunk('b'), timings: { ...timings, predicted_n: 5 } },
      { choices: [], usage, timings },
      { choices: [], timings: { from: 'elsewhere' } }
    ),
    {},
    {
      onText: text => calls.push(text),
      onReading: (processed, total) => calls.push([processed, total])
    },
    new AbortController().signal,
    () => (time += 1000)
  );
  assert.deepEqual(calls, [[1, 3], 'a', 'ab']);
  assert.deepEqual(answer, { usage, timings, firstTokenSeconds: 1, seconds: 2 });
});

test('the first token of a reasoning counts', async () => {
  let time = 0;
  const reasoning = { choices: [{ delta: { reasoning_content: 'Hm' } }] };
  const answer = await streamAnswer(
    transport(reasoning, chunk('a')),
    {},
    { onText: () => (time = 90_000) },
    new AbortController().signal,
    () => time
  );
  assert.equal(answer.firstTokenSeconds, 0);
  assert.equal(answer.seconds, 90);
});

test('thoughts accumulate with the time since the first one', async () => {
  const calls = [];
  let time = 0;
  const delta = fields => ({ choices: [{ delta: fields }] });
  await streamAnswer(
    transport(
      delta({ reasoning_content: 'Hm' }),
      delta({ content: null, reasoning_content: '' }),
      delta({ reasoning: '.' }),
      delta({ reasoning_content: ['of another form'] }),
      chunk('a')
    ),
    {},
    {
      onText: text => calls.push(text),
      onThoughts: (thoughts, seconds) => calls.push([thoughts, seconds])
    },
    new AbortController().signal,
    () => (time += 1000)
  );
  assert.deepEqual(
    calls.map(call => call[0]),
    ['Hm', 'Hm.', 'a']
  );
  assert.ok(calls[1][1] > calls[0][1]);
});

test('aborting keeps the text and the timings so far', async () => {
  const abort = new AbortController();
  const texts = [];
  const onText = text => {
    texts.push(text);
    abort.abort();
  };
  const first = { ...chunk('a'), timings };
  const answer = await streamAnswer(transport(first, chunk('b')), {}, { onText }, abort.signal);
  assert.deepEqual(texts, ['a']);
  assert.equal(answer.usage, null);
  assert.deepEqual(answer.timings, timings);
});

test('an error in the stream rejects', async () => {
  const failing = streamAnswer(
    transport(new Error('No such model.')),
    {},
    { onText: () => {} },
    new AbortController().signal
  );
  await assert.rejects(failing, /No such model/);
});
