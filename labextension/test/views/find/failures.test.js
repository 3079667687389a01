import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RequestError } from '../../../lib/api/transport.js';
import { failureOf, noWeights } from '../../../lib/views/find/failures.js';

for (const [kind, code, status] of [
  ['offline', 'hub_error', 502],
  ['rate_limited', 'hub_error', 429],
  ['rate_limited', 'hub_rate_limited', 429],
  ['token', 'hub_unauthorized', 401],
  ['token', 'hub_unauthorized', 403],
  ['missing', 'model_not_found', 404],
  ['other', 'invalid_reference', 400],
  ['other', '', 0]
]) {
  test(`an error with code "${code}" and status ${status} is ${kind}`, () => {
    const failure = failureOf(new RequestError('Why.', code, status));
    assert.equal(failure.kind, kind);
    assert.equal(failure.message, 'Why.');
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
