import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CommTransport } from '../../lib/api/commTransport.js';

/** Return a comm to a fake kernel that replies to each request with `reply(content)`. */
function kernel(reply) {
  const listeners = new Set();
  const comm = {
    sent: [],
    on: (_name, listener) => listeners.add(listener),
    off: (_name, listener) => listeners.delete(listener),
    listeners,
    send(content) {
      comm.sent.push(content);
      for (const message of reply(content) ?? []) {
        queueMicrotask(() =>
          listeners.forEach(listener => listener({ id: content.id, ...message }))
        );
      }
    }
  };
  return comm;
}

test('replies are matched to requests by id', async () => {
  const comm = kernel(({ path }) => [{ item: { path } }, { done: true }]);
  const transport = new CommTransport(comm);
  const replies = await Promise.all(['a', 'b'].map(path => transport.request('GET', path)));
  assert.deepEqual(replies, [{ path: 'a' }, { path: 'b' }]);
  assert.equal(comm.listeners.size, 0);
});

test('an error rejects the request and sends no stop message', async () => {
  const comm = kernel(() => [
    { item: { error: { message: 'Busy.', code: 'model_busy' } }, done: true }
  ]);
  const failing = new CommTransport(comm).request('POST', 'models/a/unload', {});
  await assert.rejects(failing, { message: 'Busy.', code: 'model_busy' });
  assert.equal(comm.sent.length, 1);
});

test('events are received until aborted, which stops the request', async () => {
  const events = [
    { type: 'snapshot', models: [] },
    { type: 'model_deleted', id: 'a' }
  ];
  const comm = kernel(({ path }) => (path ? events.map(item => ({ item })) : []));
  const abort = new AbortController();
  const types = [];
  let lost = 0;
  const onEvent = event => {
    types.push(event.type);
    if (types.length === 2) {
      abort.abort();
    }
  };
  await new CommTransport(comm).follow(onEvent, () => (lost += 1), abort.signal);
  assert.deepEqual(types, ['snapshot', 'model_deleted']);
  assert.deepEqual(comm.sent[1], { id: comm.sent[0].id, stop: true });
  assert.equal(lost, 0);
});

test('a broken stream is reported as lost', async t => {
  t.mock.method(console, 'warn', () => {});
  const broken = { error: { message: 'The connection broke.' } };
  const comm = kernel(({ path }) => (path ? [{ item: broken, done: true }] : []));
  const abort = new AbortController();
  let lost = 0;
  const onLost = () => {
    lost += 1;
    abort.abort();
  };
  await new CommTransport(comm).follow(() => {}, onLost, abort.signal);
  assert.equal(lost, 1);
  assert.equal(comm.sent.length, 1);
});

test('aborting a request stops it and rejects with the reason', async () => {
  const comm = kernel(() => []);
  const abort = new AbortController();
  const request = new CommTransport(comm).request('GET', 'a', undefined, abort.signal);
  abort.abort();
  await assert.rejects(request, { name: 'AbortError' });
  assert.deepEqual(comm.sent[1], { id: comm.sent[0].id, stop: true });
  assert.equal(comm.listeners.size, 0);
});
