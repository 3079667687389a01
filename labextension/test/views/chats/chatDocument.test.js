import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { RequestError } from '../../../lib/api/transport.js';
import { ChatDocument, newChatId } from '../../../lib/views/chats/chatDocument.js';

const USER = { role: 'user', content: 'Hi' };
const REPLY = { role: 'assistant', content: 'Hello' };
const EMPTY = { model: 'm', parameters: {}, messages: [], answer: null };
const RETRY = 10;

const partial = (content, beat, page = 'p') => ({ content, page, beat });

/** The chats of a server. Each reply takes a while, and its state changes before the reply. */
class Server {
  chats = new Map();
  requests = [];
  last = [];
  /** Called before and after each request; may throw. */
  before = () => undefined;
  after = () => undefined;
  listeners = new Set();

  async request(method, path, body) {
    await sleep(2);
    this.requests.push(method);
    this.before(method, body);
    const reply = structuredClone(this.answer(method, path, body));
    await sleep(2);
    this.after(method, body);
    return reply;
  }

  sendLast(method, path, body) {
    this.last.push({ method, path, body });
  }

  answer(method, path, body) {
    if (method === 'POST') {
      const { id } = body;
      if (this.chats.has(id)) {
        throw new RequestError('There is one.', 'chat_changed', 409);
      }
      return this.put({ ...EMPTY, title: 'New', ...body, revision: 1 });
    }
    const id = path.split('/').at(-1);
    const chat = this.chats.get(id);
    if (chat === undefined) {
      throw new RequestError('There is none.', 'chat_not_found', 404);
    }
    if (method === 'GET') {
      return chat;
    }
    const { revision, ...fields } = body;
    if (revision !== chat.revision) {
      throw new RequestError('It was changed.', 'chat_changed', 409);
    }
    return this.put({ ...chat, ...fields, revision: revision + 1 });
  }

  put(chat) {
    const saved = structuredClone(chat);
    this.chats.set(chat.id, saved);
    queueMicrotask(() =>
      this.listeners.forEach(listener => listener({ type: 'chat', chat: saved }))
    );
    return saved;
  }

  /** A page that follows the events. */
  async page(id = null) {
    const document = new ChatDocument(this, id ?? newChatId(), id === null, RETRY);
    this.listeners.add(event => document.receive(event));
    if (id !== null) {
      await document.load();
    }
    return document;
  }
}

async function until(condition) {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 500, 'nothing happens');
    await sleep(5);
  }
}

async function saved(document) {
  await sleep(1);
  await until(() => document.saving.kind === 'saved');
}

const texts = chat => chat.messages.map(({ content }) => content);

test('a chat is created with the title that was proposed, and can be renamed', async () => {
  const server = new Server();
  const document = await server.page();
  document.propose('KeyError in a.ipynb');
  document.set({ ...EMPTY, messages: [USER] });
  await saved(document);
  assert.equal(document.title, 'KeyError in a.ipynb');
  server.chats.get(document.id).title = 'Renamed';
  document.set({ ...EMPTY, messages: [USER, REPLY] });
  await saved(document);
  assert.equal(document.title, 'Renamed');
});

test('a chat is created with its first message, and then follows', async () => {
  const server = new Server();
  const document = await server.page();
  document.set({ ...EMPTY, model: 'other' });
  await sleep(10);
  assert.deepEqual(server.requests, []);
  const messages = [USER];
  document.set({ ...EMPTY, messages, answer: partial('', 1) });
  await saved(document);
  document.set({ ...document.get(), answer: partial('Hel', 2) });
  await saved(document);
  document.set({ ...EMPTY, messages: [USER, REPLY] });
  await saved(document);
  assert.deepEqual(server.requests, ['POST', 'PATCH', 'PUT']);
  const chat = server.chats.get(document.id);
  assert.deepEqual(texts(chat), ['Hi', 'Hello']);
  assert.equal(chat.answer, null);
  assert.equal(document.title, 'New');
});

test('changes during a save are saved after it, the last one only', async () => {
  const server = new Server();
  const document = await server.page();
  for (let beat = 1; beat <= 20; beat++) {
    document.set({ ...EMPTY, messages: [USER], answer: partial('x'.repeat(beat), beat) });
  }
  await saved(document);
  assert.equal(server.requests.length, 2);
  assert.equal(server.chats.get(document.id).answer.content.length, 20);
});

test('an unreachable server loses nothing', async () => {
  const server = new Server();
  const document = await server.page();
  let isDown = true;
  server.before = () => {
    if (isDown) {
      throw new RequestError('Cannot reach the notebook server.');
    }
  };
  document.set({ ...EMPTY, messages: [USER] });
  await until(() => document.saving.kind === 'waiting');
  assert.match(document.saving.reason, /Cannot reach/);
  document.set({ ...EMPTY, messages: [USER, REPLY] });
  isDown = false;
  await saved(document);
  assert.deepEqual(texts(server.chats.get(document.id)), ['Hi', 'Hello']);
});

test('a reply that is lost does not double or block a chat', async () => {
  const server = new Server();
  const document = await server.page();
  let lost = 0;
  server.after = method => {
    if (method !== 'GET' && lost++ % 2 === 0) {
      throw new RequestError('Cannot reach the notebook server.');
    }
  };
  for (const messages of [[USER], [USER, REPLY], [USER, REPLY, USER]]) {
    document.set({ ...EMPTY, messages });
    await until(() => server.chats.get(document.id)?.messages.length === messages.length);
    await saved(document);
  }
  assert.equal(server.chats.size, 1);
  assert.equal(document.isCopy, false);
});

test('a refusal is said and not repeated', async () => {
  const server = new Server();
  const document = await server.page();
  server.before = () => {
    throw new RequestError('The chat is too large.', 'body_too_large', 413);
  };
  document.set({ ...EMPTY, messages: [USER] });
  await until(() => document.saving.kind === 'failed');
  await sleep(5 * RETRY);
  assert.equal(server.requests.length, 1);
  assert.equal(document.saving.reason, 'The chat is too large.');
});

test('pages follow each other', async () => {
  const server = new Server();
  const ours = await server.page();
  ours.set({ ...EMPTY, messages: [USER] });
  await saved(ours);
  const theirs = await server.page(ours.id);
  assert.deepEqual(texts(theirs.get()), ['Hi']);
  let changes = 0;
  ours.onChange(() => changes++);
  theirs.set({ ...theirs.get(), messages: [USER, REPLY] });
  await until(() => ours.get().messages.length === 2);
  assert.equal(changes, 1);
  ours.set({ ...ours.get(), model: 'n' });
  await until(() => theirs.get().model === 'n');
  assert.equal(server.chats.size, 1);
});

test('of two versions, one that contains the other is kept', async () => {
  const server = new Server();
  const ours = await server.page();
  ours.set({ ...EMPTY, messages: [USER] });
  await saved(ours);
  const theirs = await server.page(ours.id);
  ours.set({ ...EMPTY, messages: [USER, REPLY] });
  theirs.set({ ...EMPTY, messages: [USER, REPLY, USER] });
  await saved(ours);
  await saved(theirs);
  await until(() => ours.get().messages.length === 3);
  assert.equal(server.chats.size, 1);
  assert.ok(!ours.isCopy && !theirs.isCopy);
});

test('versions that contradict each other are both kept', async () => {
  const server = new Server();
  const ours = await server.page();
  ours.set({ ...EMPTY, messages: [USER] });
  await saved(ours);
  const theirs = await server.page(ours.id);
  ours.set({ ...EMPTY, messages: [USER, { role: 'user', content: 'a' }] });
  theirs.set({ ...EMPTY, messages: [USER, { role: 'user', content: 'b' }] });
  await until(() => server.chats.size === 2);
  await saved(ours);
  await saved(theirs);
  assert.notEqual(ours.id, theirs.id);
  const all = [...server.chats.values()].map(texts).sort();
  assert.deepEqual(all, [
    ['Hi', 'a'],
    ['Hi', 'b']
  ]);
  assert.ok(ours.isCopy || theirs.isCopy);
});

test('renaming a chat elsewhere does not disturb an answer', async () => {
  const server = new Server();
  const document = await server.page();
  const messages = [USER];
  document.set({ ...EMPTY, messages, answer: partial('a', 1) });
  await saved(document);
  server.put({ ...server.chats.get(document.id), title: 'Renamed', revision: 2 });
  document.set({ ...document.get(), answer: partial('ab', 2) });
  await until(() => server.chats.get(document.id).answer.content === 'ab');
  await saved(document);
  assert.equal(document.title, 'Renamed');
  assert.equal(server.chats.size, 1);
});

test('a chat that was deleted elsewhere is empty here, unless something is unsaved', async () => {
  const server = new Server();
  const document = await server.page();
  document.set({ ...EMPTY, messages: [USER] });
  await saved(document);
  const { id } = document;
  server.chats.delete(id);
  document.receive({ type: 'chat_deleted', id });
  assert.ok(document.isDeleted);
  document.set({ ...EMPTY, messages: [USER, REPLY] });
  await saved(document);
  assert.ok(!document.isDeleted);
  assert.deepEqual([...server.chats.keys()], [document.id]);
  assert.notEqual(document.id, id);
});

test('a new snapshot of the events finds what was missed', async () => {
  const server = new Server();
  const document = await server.page();
  document.set({ ...EMPTY, messages: [USER] });
  await saved(document);
  server.listeners.clear();
  server.put({ ...server.chats.get(document.id), messages: [USER, REPLY], revision: 2 });
  document.receive({ type: 'snapshot', models: [] });
  await until(() => document.get().messages.length === 2);
});

test('the end of a page sends the text of the answer', async () => {
  const server = new Server();
  const document = await server.page();
  document.saveLast();
  document.set({ ...EMPTY, messages: [USER], answer: partial('a', 1) });
  await saved(document);
  document.saveLast();
  assert.deepEqual(server.last, []);
  server.before = () => {
    throw new RequestError('Cannot reach the notebook server.');
  };
  document.set({ ...document.get(), answer: partial('ab', 2) });
  document.saveLast();
  assert.deepEqual(server.last[0].body, { revision: 1, answer: partial('ab', 2) });
  document.set({ ...document.get(), answer: partial('x'.repeat(70_000), 3) });
  document.saveLast();
  assert.equal(server.last.length, 1); // browsers do not send more
  document.dispose();
  server.before = () => undefined;
  await until(() => server.chats.get(document.id).answer.beat === 3);
});

test('an answer that another page has taken over is left to it', async () => {
  const server = new Server();
  const document = await server.page();
  const messages = [USER];
  document.set({ ...EMPTY, messages, answer: partial('a', 1) });
  await saved(document);
  const chat = server.chats.get(document.id);
  server.put({ ...chat, answer: partial('other', 1, 'q'), revision: 2 });
  document.set({ ...document.get(), answer: partial('ab', 2) });
  await until(() => document.get().answer.page === 'q');
  await saved(document);
  assert.equal(server.chats.get(document.id).answer.content, 'other');
  assert.equal(server.chats.size, 1);
});
