import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  contextLimit,
  countedTokens,
  estimateMessages,
  fullness,
  fullnessText,
  largerContext,
  useText
} from '../../../lib/views/chat/contextUse.js';

const LOADED = { id: 'm', state: 'loaded', num_ctx: 4096, context_length: 8192 };
const use = (tokens, limit = 4096, isCounted = true) => ({ tokens, limit, isCounted });

test('the context of a model is known while it is loaded', () => {
  assert.equal(contextLimit(LOADED), 4096);
  assert.equal(contextLimit({ ...LOADED, state: 'unloaded' }), null);
  assert.equal(contextLimit({ ...LOADED, num_ctx: undefined }), null);
  assert.equal(contextLimit(undefined), null);
});

test('the tokens after an answer are those that the server has counted', () => {
  const usage = { prompt_tokens: 40, completion_tokens: 8 };
  const answer = { role: 'assistant', content: 'a', measurements: { usage } };
  assert.equal(countedTokens([{ role: 'user', content: 'q' }, answer]), 48);
  assert.equal(countedTokens([answer, { role: 'user', content: 'q' }]), null);
  assert.equal(
    countedTokens([{ ...answer, measurements: { usage: { prompt_tokens: -1 } } }]),
    null
  );
  assert.equal(countedTokens([]), null);
});

test('an estimate grows with texts and images, and is marked', () => {
  const text = { role: 'user', content: 'x'.repeat(400) };
  const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:' } }] };
  assert.ok(estimateMessages([text]) >= 100);
  assert.ok(estimateMessages([text, image]) > estimateMessages([text]) + 100);
  assert.equal(useText(use(1203, 4096, false)), '≈ 1,203 of 4,096 tokens');
  assert.equal(useText(use(1203, null)), '1,203 tokens');
  assert.equal(useText(use(1, null)), '1 token');
});

test('the meter warns before the context is full, and says what happens then', () => {
  assert.deepEqual(
    [0, 3000, 3600, 4096].map(tokens => fullness(use(tokens))),
    ['fits', 'fits', 'nearly', 'full']
  );
  assert.equal(fullness(use(9999, null)), 'fits');
  assert.equal(fullnessText(use(3000)), '');
  assert.match(fullnessText(use(4000)), /after 96 more tokens/);
  assert.match(fullnessText(use(5000)), /does not fit.*4,096/);
});

test('a larger context is one that the model was trained with', () => {
  assert.equal(largerContext({ ...LOADED, num_ctx: 2048 }, 100), 4096);
  assert.equal(largerContext({ ...LOADED, num_ctx: 1024 }, 5000), 8192);
  assert.equal(largerContext(LOADED, 100_000), 8192);
  assert.equal(largerContext({ ...LOADED, num_ctx: 8192 }, 9000), null);
  assert.equal(largerContext({ ...LOADED, format: 'remote' }, 9000), null);
  assert.equal(largerContext(undefined, 9000), null);
});
