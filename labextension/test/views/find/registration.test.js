import assert from 'node:assert/strict';
import { test } from 'node:test';

import { register } from '../../../lib/views/find/registration.js';

/** A server that gives all models the name `tiny`. */
function server() {
  const requests = [];
  return {
    requests,
    request: async (...request) => {
      requests.push(request);
      return { id: 'tiny' };
    }
  };
}

test('a model that the server has is not new', async () => {
  const transport = server();
  const place = { contents_path: 'a/tiny.gguf' };
  const models = new Map();
  const first = register(transport, place, models);
  const second = register(transport, place, new Map([['tiny', { id: 'tiny' }]]), 'tiny');
  assert.deepEqual(await first, { model: { id: 'tiny' }, wasHere: false });
  assert.deepEqual(await second, { model: { id: 'tiny' }, wasHere: true });
  assert.deepEqual(transport.requests, [
    ['POST', 'models', place],
    ['POST', 'models', { ...place, name: 'tiny' }]
  ]);
});
