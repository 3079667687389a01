import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventsOf, failureOf, modelPath, pullPath } from '../lib/transport.js';

test('names are one segment of a path, whatever is in them', () => {
  assert.equal(modelPath('a/b:Q4_0', 'load'), 'models/a%2Fb%3AQ4_0/load');
  assert.equal(modelPath('pull'), 'models/%70ull');
  assert.equal(pullPath('a/b', 'pause'), 'models/pull/a%2Fb/pause');
});

test('a failure has the words of the server, or those of a proxy in its place', async () => {
  const error = { message: 'It is busy.', code: 'model_busy' };
  const ours = await failureOf(new Response(JSON.stringify({ error }), { status: 409 }));
  assert.deepEqual([ours.message, ours.code], ['It is busy.', 'model_busy']);
  const theirs = await failureOf(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  assert.match(theirs.message, /502/);
});

test('a stream gives its events to the end, and throws an error that comes in it', async () => {
  const stream = text => eventsOf(new Response(text));
  const events = [];
  for await (const event of stream('data: {"a":1}\n\ndata: [DONE]\n\ndata: {"b":2}\n\n')) {
    events.push(event);
  }
  assert.deepEqual(events, [{ a: 1 }]);
  const broken = stream('data: {"a":1}\n\ndata: {"error":{"message":"It died."}}\n\n');
  assert.deepEqual((await broken.next()).value, { a: 1 });
  await assert.rejects(broken.next(), /It died/);
});
