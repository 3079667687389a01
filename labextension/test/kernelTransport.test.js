import assert from 'node:assert/strict';
import { test } from 'node:test';

import { KernelTransport } from '../lib/kernelTransport.js';

/** A kernel that answers each request with what `answer` gives. */
function kernel(answer) {
  const listeners = new Set();
  const comm = {
    sent: [],
    on: (_name, listener) => listeners.add(listener),
    off: (_name, listener) => listeners.delete(listener),
    listeners,
    send(content) {
      comm.sent.push(content);
      for (const message of answer(content) ?? []) {
        queueMicrotask(() =>
          listeners.forEach(listener => listener({ id: content.id, ...message }))
        );
      }
    }
  };
  return comm;
}

test('a request is answered under its id', async () => {
  const comm = kernel(({ path }) => [{ item: { path } }, { done: true }]);
  const transport = new KernelTransport(comm);
  const replies = await Promise.all(['a', 'b'].map(path => transport.request('GET', path)));
  assert.deepEqual(replies, [{ path: 'a' }, { path: 'b' }]);
  assert.equal(comm.listeners.size, 0);
});

test('an error of the server is thrown, and nothing is stopped that has ended', async () => {
  const comm = kernel(() => [
    { item: { error: { message: 'Busy.', code: 'model_busy' } }, done: true }
  ]);
  const failing = new KernelTransport(comm).request('POST', 'models/a/unload', {});
  await assert.rejects(failing, { message: 'Busy.', code: 'model_busy' });
  assert.equal(comm.sent.length, 1);
});

test('events come until nobody wants them, and then the kernel is told', async () => {
  const events = [
    { type: 'snapshot', models: [] },
    { type: 'model_deleted', id: 'a' }
  ];
  const comm = kernel(({ path }) => (path ? events.map(item => ({ item })) : []));
  const abort = new AbortController();
  const heard = [];
  let lost = 0;
  const take = event => {
    heard.push(event.type);
    if (heard.length === 2) {
      abort.abort();
    }
  };
  await new KernelTransport(comm).follow(take, () => (lost += 1), abort.signal);
  assert.deepEqual(heard, ['snapshot', 'model_deleted']);
  assert.deepEqual(comm.sent[1], { id: comm.sent[0].id, stop: true });
  assert.equal(lost, 0);
});

test('a stream that breaks is asked for again', async () => {
  const broken = { error: { message: 'The connection broke.' } };
  const comm = kernel(({ path }) => (path ? [{ item: broken, done: true }] : []));
  const abort = new AbortController();
  let lost = 0;
  const onLost = () => {
    lost += 1;
    abort.abort();
  };
  await new KernelTransport(comm).follow(() => {}, onLost, abort.signal);
  assert.equal(lost, 1);
  assert.equal(comm.sent.length, 1);
});
