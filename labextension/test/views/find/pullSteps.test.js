import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RequestError } from '../../../lib/api/transport.js';
import { failureOf } from '../../../lib/views/find/failures.js';
import { pullSteps } from '../../../lib/views/find/pullSteps.js';

const TOKEN = 'Enter a token…';
const AGAIN = 'Try again';

/** Return the steps after an error, with a log of the pulls and of what waits for a token. */
function stepsOf(code, reason) {
  const log = { pulls: 0, waiting: [] };
  const failure = failureOf(new RequestError('Why.', code, 0, { reason }));
  const askForToken = goOn => log.waiting.push(goOn);
  return { log, steps: pullSteps(failure, () => (log.pulls += 1), { askForToken }) };
}

for (const [code, reason, labels] of [
  ['hub_unauthorized', 'gated', [TOKEN, AGAIN]],
  ['hub_unauthorized', 'bad_token', [TOKEN, AGAIN]],
  ['hub_unauthorized', 'not_found', [TOKEN]], // it may be private
  ['invalid_reference', 'not_found', []],
  ['hub_error', 'offline', [AGAIN]],
  ['internal_error', undefined, [AGAIN]]
]) {
  test(`after ${code} because of ${reason} there are ${labels.length} steps`, () => {
    assert.deepEqual(
      stepsOf(code, reason).steps.map(step => step.label),
      labels
    );
  });
}

test('a pull goes on once a token is stored, and when it is tried again', () => {
  const { log, steps } = stepsOf('hub_unauthorized', 'gated');
  steps[0].run();
  assert.equal(log.pulls, 0);
  log.waiting[0]();
  assert.equal(log.pulls, 1);
  steps[1].run();
  assert.equal(log.pulls, 2);
});
