import assert from 'node:assert/strict';
import { test } from 'node:test';

import { leavePageState, takePageState } from '../../../lib/views/chats/pageState.js';

class Storage {
  values = new Map();
  getItem = key => this.values.get(key) ?? null;
  setItem = (key, value) => this.values.set(key, value);
  removeItem = key => this.values.delete(key);
}

test('only the next page gets what a page has left', () => {
  const storage = new Storage();
  const state = { page: 'p', chat: 'c', isAnswering: true };
  leavePageState(storage, state);
  assert.deepEqual(takePageState(storage), state);
  const duplicate = takePageState(storage);
  assert.notEqual(duplicate.page, 'p');
  assert.deepEqual([duplicate.chat, duplicate.isAnswering], ['', false]);
});

test('values of other versions and a browser without storage begin anew', () => {
  for (const value of ['{', '7', 'null', '{"page":1}', '{"page":"p"}']) {
    const storage = new Storage();
    storage.values.set('a3s-power-assistant', value);
    assert.equal(takePageState(storage).chat, '');
  }
  const refuse = () => {
    throw new Error('denied');
  };
  const none = { getItem: refuse, setItem: refuse, removeItem: refuse };
  leavePageState(none, takePageState(none));
});
