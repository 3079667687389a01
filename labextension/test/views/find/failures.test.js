import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RequestError } from '../../../lib/api/transport.js';
import {
  failureOf,
  needsToken,
  nothingChosen,
  noWeights
} from '../../../lib/views/find/failures.js';

for (const [kind, code, status, reason] of [
  ['offline', 'hub_error', 502, 'offline'],
  ['offline', 'hub_error', 502, 'unreachable'],
  ['rate_limited', 'hub_error', 502, 'rate_limited'],
  ['hub', 'hub_error', 502],
  ['gated', 'hub_unauthorized', 401],
  ['gated', 'hub_unauthorized', 401, 'gated'],
  ['bad_token', 'hub_unauthorized', 401, 'bad_token'],
  ['missing', 'hub_unauthorized', 401, 'not_found'],
  ['missing', 'model_not_found', 404],
  ['missing', 'invalid_reference', 400],
  ['other', 'invalid_parameter', 400],
  ['other', '', 0]
]) {
  test(`an error with code "${code}" and reason ${reason} is ${kind}`, () => {
    const facts = reason === undefined ? {} : { reason };
    const failure = failureOf(new RequestError('Why.', code, status, facts));
    assert.equal(failure.kind, kind);
    assert.equal(failure.message, 'Why.');
    assert.equal(needsToken(failure), code === 'hub_unauthorized');
  });
}

test('a failure has the candidates of the error', () => {
  const facts = { candidates: ['a/b:Q4_0'], retryAfter: 3 };
  const failure = failureOf(new RequestError('Which?', 'ambiguous_reference', 400, facts));
  assert.deepEqual(failure.candidates, ['a/b:Q4_0']);
  assert.equal(failure.retryAfter, 3);
});

test('other thrown values and empty repositories are failures, too', () => {
  assert.equal(failureOf(new TypeError('x')).kind, 'other');
  assert.equal(noWeights().kind, 'missing');
});

test('a dialog without a choice asks for one, and is no fault', () => {
  const failure = nothingChosen();
  assert.equal(failure.kind, 'empty');
  assert.match(failure.message, /^Choose a \.gguf file, or the folder/);
  assert.equal(needsToken(failure), false);
});
