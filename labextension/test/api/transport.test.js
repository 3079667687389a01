import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorOfResponse, modelPath, pullPath } from '../../lib/api/transport.js';

test('a name is one path segment, even with special characters', () => {
  assert.equal(modelPath('a/b:Q4_0', 'load'), 'models/a%2Fb%3AQ4_0/load');
  assert.equal(modelPath('pull'), 'models/%70ull');
  assert.equal(pullPath('a/b', 'pause'), 'models/pull/a%2Fb/pause');
});

test('an error has the message from the server, or the status from a proxy', async () => {
  const error = { message: 'Busy.', code: 'model_busy' };
  const ours = await errorOfResponse(new Response(JSON.stringify({ error }), { status: 409 }));
  assert.deepEqual([ours.message, ours.code], ['Busy.', 'model_busy']);
  const theirs = await errorOfResponse(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  assert.match(theirs.message, /502/);
});

test('the reason and the time to wait can be in the body', async () => {
  const error = { message: 'Wait.', code: 'hub_error', reason: 'rate_limited', retry_after: 7 };
  const response = new Response(JSON.stringify({ error }), { status: 502 });
  const { facts } = await errorOfResponse(response);
  assert.deepEqual(facts, { reason: 'rate_limited', retryAfter: 7 });
});

test('an error has the candidates and the time to wait, if the server sent them', async () => {
  const error = { message: 'Which?', code: 'ambiguous_reference', candidates: ['a/b:Q4_0'] };
  const headers = { 'Retry-After': '30' };
  const response = new Response(JSON.stringify({ error }), { status: 429, headers });
  const { facts } = await errorOfResponse(response);
  assert.deepEqual(facts, { candidates: ['a/b:Q4_0'], retryAfter: 30 });
  const date = { 'Retry-After': 'Fri, 31 Dec 1999 23:59:59 GMT' };
  const other = new Response('{"error": {"message": "No."}}', { status: 503, headers: date });
  assert.deepEqual((await errorOfResponse(other)).facts, {});
});
