import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { Live, shared } from '../lib/live.js';

/** A page that can be looked at or not. */
class Page extends EventTarget {
  visibilityState = 'visible';

  show(state) {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

/** A server that is followed; each attempt is kept. */
class Transport {
  attempts = [];

  follow(onEvent, onLost, signal) {
    return new Promise(resolve => {
      this.attempts.push({ onEvent, onLost, signal, end: resolve });
    });
  }
}

const SNAPSHOT = { type: 'snapshot', instance: 'one', models: [{ id: 'a' }] };

test('all that show a server share one connection', () => {
  const transport = new Transport();
  const live = new Live(transport, new Page());
  const heard = [];
  live.subscribe((state, standing) => heard.push([1, state.models.size, standing]));
  transport.attempts[0].onEvent(SNAPSHOT);
  live.subscribe((state, standing) => heard.push([2, state.models.size, standing]));
  assert.equal(transport.attempts.length, 1);
  assert.deepEqual(heard, [
    [1, 0, 'connecting'],
    [1, 1, 'connected'],
    [2, 1, 'connected']
  ]);
});

test('what was known stays when the connection is lost', () => {
  const transport = new Transport();
  const live = new Live(transport, new Page());
  let last;
  live.subscribe((state, standing) => (last = [state.models.size, standing]));
  transport.attempts[0].onEvent(SNAPSHOT);
  transport.attempts[0].onLost();
  assert.deepEqual(last, [1, 'lost']);
});

test('a hidden tab holds no connection, one that is looked at again does', () => {
  const transport = new Transport();
  const page = new Page();
  new Live(transport, page).subscribe(() => {});
  page.show('hidden');
  assert.ok(transport.attempts[0].signal.aborted);
  page.show('visible');
  assert.equal(transport.attempts.length, 2);
  assert.ok(!transport.attempts[1].signal.aborted);
});

test('the connection ends some time after the last listener left', async () => {
  const transport = new Transport();
  const live = new Live(transport, new Page(), 5);
  live.subscribe(() => {})();
  live.subscribe(() => {})();
  assert.equal(transport.attempts.length, 1);
  assert.ok(!transport.attempts[0].signal.aborted);
  await sleep(30);
  assert.ok(transport.attempts[0].signal.aborted);
});

test('the instance is that of the server, or null where none answers', async () => {
  const transport = new Transport();
  const there = new Live(transport, new Page(), 1).instance();
  transport.attempts[0].onEvent(SNAPSHOT);
  assert.equal(await there, 'one');
  const absent = new Live(transport, new Page(), 1).instance();
  transport.attempts[1].end(); // a server without the extension is followed no longer
  assert.equal(await absent, null);
});

test('a page has one for its own server, whichever program asks first', () => {
  const first = shared(() => new Live(new Transport(), new Page()));
  assert.equal(
    shared(() => assert.fail('a second one')),
    first
  );
});
