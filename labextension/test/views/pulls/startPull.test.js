import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EMPTY } from '../../../lib/state/state.js';
import { PullSelection } from '../../../lib/views/pulls/pullSelection.js';
import { isRefused, startPull } from '../../../lib/views/pulls/startPull.js';

/** A store that replies to the request for a pull, and publishes what a test tells it. */
class FakeStore {
  listeners = new Set();
  state = EMPTY;
  connection = 'connected';
  requests = [];

  constructor(reply) {
    this.transport = {
      request: async (...request) => {
        this.requests.push(request);
        return reply;
      }
    };
  }

  subscribe(listener) {
    this.listeners.add(listener);
    listener(this.state, this.connection);
    return () => this.listeners.delete(listener);
  }

  publish(...pulls) {
    const byName = new Map(pulls.map(pull => [pull.name, pull]));
    this.state = { ...this.state, pulls: byName };
    this.listeners.forEach(listener => listener(this.state, this.connection));
  }
}

const pull = (status, changes) => ({ name: 'a', status, started_at: 2, ...changes });
const settled = () => new Promise(resolve => setTimeout(resolve));

test('a pull has started once its files are known', async () => {
  const store = new FakeStore(pull('pulling'));
  let started = null;
  const starting = startPull(store, 'hf.co/a').then(found => (started = found));
  store.publish(pull('failed', { started_at: 1 })); // the attempt before
  store.publish(pull('pulling', { phase: 'resolving' }));
  await settled();
  assert.equal(started, null);
  store.publish(pull('pulling', { phase: 'downloading', total: 5 }));
  await starting;
  assert.equal(started.phase, 'downloading');
  assert.equal(store.listeners.size, 0);
  assert.equal(isRefused(pull('failed')), false);
  assert.deepEqual(store.requests, [
    ['POST', 'models/pull', { name: 'hf.co/a', background: true }]
  ]);
});

test('a pull that fails before that rejects with all that the server says', async () => {
  const store = new FakeStore(pull('pulling', { started_at: 3 }));
  const starting = startPull(store, 'a');
  await settled();
  const error = {
    message: 'No such tag.',
    type: 'invalid_request_error',
    code: 'invalid_reference',
    param: 'name',
    reason: 'not_found',
    retry_after: 5,
    candidates: ['a:Q4_0']
  };
  const failed = pull('failed', { started_at: 3, error });
  store.publish(failed);
  await assert.rejects(starting, {
    message: 'No such tag.',
    code: 'invalid_reference',
    facts: { candidates: ['a:Q4_0'], param: 'name', reason: 'not_found', retryAfter: 5 }
  });
  assert.equal(isRefused(failed), true);
  assert.deepEqual(new PullSelection().of(store.state), []); // shown where it was asked for
});

test('without a connection there is nothing to wait for', async () => {
  const store = new FakeStore(pull('pulling', { started_at: 4 }));
  store.connection = 'lost';
  assert.equal((await startPull(store, 'a')).status, 'pulling');
});

const state = (pulls, models = []) => ({
  instance: 'i',
  models: new Map(models.map(id => [id, { id }])),
  pulls: new Map(pulls.map(each => [each.name, each]))
});
const shown = (selection, ...arguments_) =>
  selection.of(state(...arguments_)).map(({ name, status }) => [name, status]);

test('pulls that end in view stay until they are dismissed', () => {
  const selection = new PullSelection();
  const old = pull('done', { name: 'old' });
  assert.deepEqual(shown(selection, [old, pull('pulling')]), [['a', 'pulling']]);
  assert.deepEqual(shown(selection, [old, pull('done')]), [['a', 'done']]);
  selection.dismiss('2 a');
  assert.deepEqual(shown(selection, [old, pull('done')]), []);
  assert.deepEqual(shown(selection, [pull('pulling', { started_at: 9 })]), [['a', 'pulling']]);
  assert.deepEqual(shown(selection, [pull('cancelled', { started_at: 9 })]), [['a', 'cancelled']]);
});

test('pulls keep their places, the newest last', () => {
  const pulls = [pull('pulling', { name: 'b', started_at: 5 }), pull('failed', { name: 'c' })];
  assert.deepEqual(shown(new PullSelection(), pulls), [
    ['c', 'failed'],
    ['b', 'pulling']
  ]);
});

test('a model that is already here says so until it is dismissed, pulled again or deleted', () => {
  const selection = new PullSelection();
  const reply = pull('done', { already_exists: true, started_at: 7 });
  selection.add(reply);
  assert.deepEqual(shown(selection, [], ['a']), [['a', 'done']]);
  assert.deepEqual(shown(selection, [pull('done')], ['a']), [['a', 'done']]);
  selection.dismiss('7 a');
  assert.deepEqual(shown(selection, [], ['a']), []);
  selection.add(reply);
  assert.deepEqual(shown(selection, []), []);
});

test('a pull is shown before the server tells of it', () => {
  const selection = new PullSelection();
  selection.add(pull('pulling', { started_at: 4 }));
  assert.deepEqual(shown(selection, [pull('failed')]), [['a', 'pulling']]);
  assert.deepEqual(shown(selection, [pull('paused', { started_at: 4 })]), [['a', 'paused']]);
  assert.deepEqual(shown(selection, [pull('done', { started_at: 4 })]), [['a', 'done']]);
});
