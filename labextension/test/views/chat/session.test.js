import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ChatSession } from '../../../lib/views/chat/session.js';

const ASKING = { parameters: {}, isLocal: true, isInMemory: true };
const TIMING = { saveInterval: 5, silence: 40, linger: 5 };
const EMPTY = { model: 'm', messages: [], answer: null };

/** The traits of a widget: every page has a copy, and a change reaches the others later. */
class Kernel {
  conversation = EMPTY;
  pages = [];
  saves = [];

  page() {
    const listeners = new Set();
    let copy = structuredClone(this.conversation);
    const page = {
      get: () => copy,
      set: conversation => {
        copy = conversation;
        listeners.forEach(listener => listener()); // as Backbone does
        if (!this.pages.includes(page)) {
          return; // the page is gone
        }
        this.saves.push(conversation);
        this.conversation = structuredClone(conversation);
        for (const other of this.pages) {
          if (other !== page) {
            queueMicrotask(() => other.receive(structuredClone(conversation)));
          }
        }
      },
      receive: conversation => {
        copy = conversation;
        listeners.forEach(listener => listener());
      },
      onChange: listener => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      }
    };
    this.pages.push(page);
    return page;
  }
}

/** A server that sends what `say` is called with, until `end` or `fail`. */
class Server {
  requests = [];
  aborted = 0;

  async *stream(_path, body, signal) {
    const queue = [];
    let wake = () => undefined;
    const put = item => {
      queue.push(item);
      wake();
    };
    this.say = (content, field = 'content') => put({ choices: [{ delta: { [field]: content } }] });
    this.end = () => put(null);
    this.fail = message => put(new Error(message));
    this.requests.push(body);
    signal.addEventListener('abort', () => wake());
    while (!signal.aborted) {
      if (queue.length === 0) {
        await new Promise(resolve => (wake = resolve));
        continue;
      }
      const item = queue.shift();
      if (item === null) {
        return;
      }
      if (item instanceof Error) {
        throw item;
      }
      yield item;
    }
    this.aborted += 1;
    throw new DOMException('aborted', 'AbortError');
  }
}

const sessions = [];
const roles = messages => messages.map(({ role }) => role).join(' ');
const tick = () => sleep(1);

function open(kernel, server) {
  const session = new ChatSession(server, kernel.page(), TIMING);
  sessions.push(session);
  session.subscribe(() => undefined);
  return session;
}

afterEach(() => {
  sessions.splice(0).forEach(session => session.dispose());
});

test('the question is saved before it is sent, and the answer as it comes', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  assert.ok(session.send('Hi', ASKING));
  assert.equal(kernel.saves[0].messages[0].content, 'Hi');
  await tick();
  server.say('Hel');
  await sleep(20);
  assert.equal(kernel.conversation.answer.content, 'Hel');
  assert.equal(session.phase, 'answering');
  assert.equal(session.send('Again', ASKING), false);
  server.say('lo');
  server.end();
  await sleep(5);
  assert.equal(roles(kernel.conversation.messages), 'user assistant');
  assert.equal(kernel.conversation.messages[1].content, 'Hello');
  assert.equal(kernel.conversation.answer, null);
  assert.equal(session.phase, 'idle');
});

test('the answer is saved at a bounded rate', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const slow = new ChatSession(server, kernel.page(), { ...TIMING, saveInterval: 10_000 });
  sessions.push(slow);
  slow.send('Hi', ASKING);
  await tick();
  for (let i = 0; i < 500; i += 1) {
    server.say('x');
  }
  server.end();
  await sleep(10);
  assert.equal(kernel.conversation.messages[1].content.length, 500);
  assert.equal(kernel.saves.length, 2); // the question, and the whole answer
});

test('a page that is reloaded shows what came, and continues it', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  open(kernel, server).send('Count', ASKING);
  await tick();
  server.say('One, ');
  await sleep(20);
  kernel.pages = []; // the page is gone

  const session = open(kernel, server);
  assert.equal(session.phase, 'interrupted');
  assert.equal(session.answer.content, 'One, ');
  assert.equal(roles(session.conversation.messages), 'user');
  assert.ok(session.canContinue && session.canRegenerate);
  session.continue(ASKING);
  await tick();
  assert.equal(server.requests[1].messages[1].content, 'One, ');
  server.say('two.');
  server.end();
  await sleep(5);
  assert.equal(kernel.conversation.messages[1].content, 'One, two.');
});

test('an interrupted answer is kept by the next question, and replaced by another answer', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const messages = [{ role: 'user', content: 'Count' }];
  const answer = { content: 'One', page: 'gone', beat: 3 };
  kernel.conversation = { model: 'm', messages, answer };
  const session = open(kernel, server);
  session.send('Go on', ASKING);
  await tick();
  assert.equal(roles(server.requests[0].messages), 'user assistant user');
  session.stop();
  await tick();

  kernel.conversation = { model: 'm', messages, answer };
  const other = open(kernel, server);
  other.regenerate(ASKING);
  await tick();
  assert.deepEqual(server.requests[1].messages, messages);
  assert.equal(other.answer.content, '');
});

test('only one of two pages writes an answer', async () => {
  const kernel = new Kernel();
  const [first, second] = [new Server(), new Server()];
  const [a, b] = [open(kernel, first), open(kernel, second)];
  a.send('From a', ASKING);
  await sleep(20);
  first.say('A');
  await sleep(20);
  assert.equal(b.phase, 'elsewhere');
  assert.equal(b.answer.content, 'A');
  assert.equal(b.send('From b', ASKING), false);
  assert.equal(b.canContinue, false);
  first.end();
  await sleep(10);
  assert.deepEqual([a.phase, b.phase], ['idle', 'idle']);

  // Both ask at once: the kernel's order decides, and the other page stops.
  a.send('Again from a', ASKING);
  b.send('Again from b', ASKING);
  await sleep(20);
  assert.equal([a, b].filter(({ phase }) => phase === 'answering').length <= 1, true);
  const { messages } = kernel.conversation;
  assert.equal(roles(messages), 'user assistant user');
});

test('an answer of another page that is silent is interrupted', async () => {
  const kernel = new Kernel();
  const [first, second] = [new Server(), new Server()];
  const [a, b] = [open(kernel, first), open(kernel, second)];
  a.send('Hi', ASKING);
  await sleep(15);
  first.say('He');
  await sleep(15);
  assert.equal(b.phase, 'elsewhere');
  kernel.pages.splice(0, 1); // the page of `a` is gone
  a.stop();
  await sleep(80);
  assert.equal(b.phase, 'interrupted');
  assert.equal(b.answer.content, 'He');
});

test('messages set in the notebook replace an answer that is generated', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.send('Hi', ASKING);
  await tick();
  server.say('Hel');
  await sleep(10);
  const messages = [{ role: 'user', content: 'Bye' }];
  kernel.pages[0].receive({ model: 'm', messages, answer: null });
  await sleep(20);
  assert.equal(server.aborted, 1);
  assert.deepEqual(session.conversation.messages, messages);
  assert.notDeepEqual(kernel.saves.at(-1).messages, messages); // nothing was written over it
});

test('a failed question is replaced by the next one', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.send('Too long', ASKING);
  await tick();
  server.fail('It does not fit.');
  await tick();
  assert.equal(session.error, 'It does not fit.');
  assert.equal(session.failedQuestion, 'Too long');
  assert.equal(session.phase, 'interrupted');
  session.send('Short', ASKING);
  await tick();
  assert.deepEqual(server.requests[1].messages, [{ role: 'user', content: 'Short' }]);
  server.say('Part');
  await tick();
  server.fail('The connection is lost.');
  await sleep(5);
  assert.equal(session.answer.content, 'Part');
  assert.ok(session.canContinue);
});

test('a stopped answer is kept, and can be continued', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.send('Count', ASKING);
  await tick();
  server.say('Hm.', 'reasoning_content');
  server.say('One');
  await tick();
  session.stop();
  await sleep(5);
  const expected = { role: 'assistant', content: 'One', reasoning_content: 'Hm.' };
  assert.deepEqual(kernel.conversation.messages[1], expected);
  assert.ok(session.isStopped && session.canContinue);
  session.continue(ASKING);
  await tick();
  assert.deepEqual(server.requests[1].messages[1], expected);
  server.say(', two');
  server.end();
  await sleep(5);
  assert.equal(kernel.conversation.messages[1].content, 'One, two');
  assert.equal(session.canContinue, false);
});

test('without a view the answer ends, and can be continued', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = new ChatSession(server, kernel.page(), TIMING);
  sessions.push(session);
  const close = session.subscribe(() => undefined);
  session.send('Hi', ASKING);
  await tick();
  server.say('Hel');
  await tick();
  close();
  session.subscribe(() => undefined)(); // moved to another place
  await sleep(40);
  assert.equal(server.aborted, 1);
  assert.equal(kernel.conversation.answer.content, 'Hel');
  assert.equal(session.phase, 'interrupted');
});

test('clearing ends the answer', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.send('Hi', ASKING);
  await tick();
  server.say('Hel');
  await tick();
  session.clear();
  await sleep(20);
  assert.deepEqual(kernel.conversation, EMPTY);
  assert.equal(session.phase, 'idle');
});
