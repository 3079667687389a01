import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
  answerLine,
  readingText,
  timingsFrom,
  usageFrom
} from '../../../lib/views/chat/answerLine.js';

// The same cases as in tests/unit/client/test_answer_line.py.
const path = new URL('../../../../tests/support/answer_display_cases.json', import.meta.url);
for (const expected of JSON.parse(readFileSync(path, 'utf8'))) {
  test(`line of an answer: ${expected.case}`, () => {
    const { usage, timings, first_token_seconds: firstTokenSeconds, seconds } = expected;
    const answer = { usage, timings: timingsFrom(timings), firstTokenSeconds, seconds };
    assert.equal(answerLine(answer), expected.line);
  });
}

test('the progress in a prompt', () => {
  assert.equal(readingText(3072, 8000), 'Reading the prompt: 3,072 of 8,000 tokens');
});

test('counts of another form are not counts', () => {
  const counts = { prompt_tokens: 1, completion_tokens: 2 };
  assert.equal(usageFrom(counts), counts);
  for (const other of [undefined, null, 3, 'x', {}, { ...counts, prompt_tokens: '1' }]) {
    assert.equal(usageFrom(other), null);
    assert.equal(timingsFrom(other), null);
  }
  const timings = { prompt_n: 1, predicted_n: 2, predicted_ms: -1, cache_n: 0 };
  assert.equal(timingsFrom(timings), null);
});
