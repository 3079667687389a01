import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { sharedStore, Store } from '../../lib/state/store.js';

/** A document with a visibility state. */
class FakeDocument extends EventTarget {
  visibilityState = 'visible';

  setVisibility(state) {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

/** A transport that records the calls of `follow`. */
class FakeTransport {
  streams = [];

  follow(onEvent, onLost, signal) {
    return new Promise((_resolve, reject) => {
      this.streams.push({ onEvent, onLost, signal, refuse: reject });
    });
  }
}

const SNAPSHOT = { type: 'snapshot', instance: 'one', models: [{ id: 'a' }] };

test('all listeners share one event stream', () => {
  const transport = new FakeTransport();
  const store = new Store(transport, new FakeDocument());
  const calls = [];
  store.subscribe((state, connection) => calls.push([1, state.models.size, connection]));
  transport.streams[0].onEvent(SNAPSHOT);
  store.subscribe((state, connection) => calls.push([2, state.models.size, connection]));
  assert.equal(transport.streams.length, 1);
  assert.deepEqual(calls, [
    [1, 0, 'connecting'],
    [1, 1, 'connected'],
    [2, 1, 'connected']
  ]);
});

test('a lost connection keeps the state', () => {
  const transport = new FakeTransport();
  const store = new Store(transport, new FakeDocument());
  let last;
  store.subscribe((state, connection) => (last = [state.models.size, connection]));
  transport.streams[0].onEvent(SNAPSHOT);
  transport.streams[0].onLost();
  assert.deepEqual(last, [1, 'lost']);
});

test('a refusal is final until the page becomes visible again', async () => {
  const transport = new FakeTransport();
  const document = new FakeDocument();
  const store = new Store(transport, document);
  let last;
  store.subscribe((state, connection, reason) => (last = [state.models.size, connection, reason]));
  transport.streams[0].onEvent(SNAPSHOT);
  transport.streams[0].refuse(new Error('Log in first.'));
  await sleep(1);
  assert.deepEqual(last, [1, 'refused', 'Log in first.']);
  store.subscribe((state, connection, reason) => (last = [connection, reason]));
  assert.deepEqual(last, ['refused', 'Log in first.']);
  assert.equal(transport.streams.length, 1);
  document.setVisibility('hidden');
  document.setVisibility('visible');
  transport.streams[1].onEvent(SNAPSHOT);
  assert.deepEqual(last, ['connected', '']);
});

test('a hidden page disconnects, and reconnects when it becomes visible', () => {
  const transport = new FakeTransport();
  const document = new FakeDocument();
  new Store(transport, document).subscribe(() => {});
  document.setVisibility('hidden');
  assert.ok(transport.streams[0].signal.aborted);
  document.setVisibility('visible');
  assert.equal(transport.streams.length, 2);
  assert.ok(!transport.streams[1].signal.aborted);
});

test('the stream closes a while after the last listener unsubscribes', async () => {
  const transport = new FakeTransport();
  const store = new Store(transport, new FakeDocument(), 5);
  store.subscribe(() => {})();
  store.subscribe(() => {})();
  assert.equal(transport.streams.length, 1);
  assert.ok(!transport.streams[0].signal.aborted);
  await sleep(30);
  assert.ok(transport.streams[0].signal.aborted);
});

test('the instance is null if the server does not have the extension', async () => {
  const transport = new FakeTransport();
  const present = new Store(transport, new FakeDocument(), 1).instance();
  transport.streams[0].onEvent(SNAPSHOT);
  assert.equal(await present, 'one');
  const absent = new Store(transport, new FakeDocument(), 1).instance();
  transport.streams[1].refuse(new Error('Not here.'));
  assert.equal(await absent, null);
});

test('a page has one shared store', () => {
  const first = sharedStore(() => new Store(new FakeTransport(), new FakeDocument()));
  assert.equal(
    sharedStore(() => assert.fail('a second store')),
    first
  );
});
