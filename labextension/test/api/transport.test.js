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
