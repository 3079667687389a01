import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ChatSession } from '../../../lib/views/chat/session.js';

const ASKING = { isLocal: true, isInMemory: true };
const TIMING = { saveInterval: 5, silence: 40, linger: 5 };
const EMPTY = { model: 'm', parameters: {}, messages: [], answer: null };

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
    this.send = put;
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

function open(kernel, server, tools = null) {
  const session = new ChatSession(server, kernel.page(), tools, TIMING);
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
  assert.ok(session.send('Hi', [], ASKING));
  assert.equal(kernel.saves[0].messages[0].content, 'Hi');
  await tick();
  server.say('Hel');
  await sleep(20);
  assert.equal(kernel.conversation.answer.content, 'Hel');
  assert.equal(session.phase, 'answering');
  assert.equal(session.send('Again', [], ASKING), false);
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
  const slow = new ChatSession(server, kernel.page(), null, { ...TIMING, saveInterval: 10_000 });
  sessions.push(slow);
  slow.send('Hi', [], ASKING);
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
  open(kernel, server).send('Count', [], ASKING);
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
  kernel.conversation = { model: 'm', parameters: {}, messages, answer };
  const session = open(kernel, server);
  session.send('Go on', [], ASKING);
  await tick();
  assert.equal(roles(server.requests[0].messages), 'user assistant user');
  session.stop();
  await tick();

  kernel.conversation = { model: 'm', parameters: {}, messages, answer };
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
  a.send('From a', [], ASKING);
  await sleep(20);
  first.say('A');
  await sleep(20);
  assert.equal(b.phase, 'elsewhere');
  assert.equal(b.answer.content, 'A');
  assert.equal(b.send('From b', [], ASKING), false);
  assert.equal(b.canContinue, false);
  first.end();
  await sleep(10);
  assert.deepEqual([a.phase, b.phase], ['idle', 'idle']);

  // Both ask at once: the kernel's order decides, and the other page stops.
  a.send('Again from a', [], ASKING);
  b.send('Again from b', [], ASKING);
  await sleep(20);
  assert.equal([a, b].filter(({ phase }) => phase === 'answering').length <= 1, true);
  const { messages } = kernel.conversation;
  assert.equal(roles(messages), 'user assistant user');
});

test('an answer of another page that is silent is interrupted', async () => {
  const kernel = new Kernel();
  const [first, second] = [new Server(), new Server()];
  const [a, b] = [open(kernel, first), open(kernel, second)];
  a.send('Hi', [], ASKING);
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
  session.send('Hi', [], ASKING);
  await tick();
  server.say('Hel');
  await sleep(10);
  const messages = [{ role: 'user', content: 'Bye' }];
  kernel.pages[0].receive({ model: 'm', parameters: {}, messages, answer: null });
  await sleep(20);
  assert.equal(server.aborted, 1);
  assert.deepEqual(session.conversation.messages, messages);
  assert.notDeepEqual(kernel.saves.at(-1).messages, messages); // nothing was written over it
});

test('a failed question is replaced by the next one', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.send('Too long', [], ASKING);
  await tick();
  server.fail('It does not fit.');
  await tick();
  assert.equal(session.error, 'It does not fit.');
  assert.equal(session.failedQuestion.content, 'Too long');
  assert.equal(session.phase, 'interrupted');
  session.send('Short', [], ASKING);
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
  session.send('Count', [], ASKING);
  await tick();
  server.say('Hm.', 'reasoning_content');
  server.say('One');
  await tick();
  session.stop();
  await sleep(5);
  const expected = { role: 'assistant', content: 'One', reasoning_content: 'Hm.' };
  const { measurements, ...answer } = kernel.conversation.messages[1];
  assert.deepEqual(answer, expected);
  assert.ok(measurements.seconds >= 0);
  assert.ok(session.isStopped && session.canContinue);
  session.continue(ASKING);
  await tick();
  assert.deepEqual(server.requests[1].messages[1], expected); // without measurements
  server.say(', two');
  server.end();
  await sleep(5);
  assert.equal(kernel.conversation.messages[1].content, 'One, two');
  assert.equal(session.canContinue, false);
});

test('without a view the answer ends, and can be continued', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = new ChatSession(server, kernel.page(), null, TIMING);
  sessions.push(session);
  const close = session.subscribe(() => undefined);
  session.send('Hi', [], ASKING);
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
  session.send('Hi', [], ASKING);
  await tick();
  server.say('Hel');
  await tick();
  session.clear();
  await sleep(20);
  assert.deepEqual(kernel.conversation, EMPTY);
  assert.equal(session.phase, 'idle');
});

test('an edited question replaces what follows it', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const messages = [
    { role: 'user', content: 'One' },
    { role: 'assistant', content: 'Two' },
    { role: 'user', content: 'Three' }
  ];
  kernel.conversation = { ...EMPTY, messages };
  const session = open(kernel, server);
  assert.equal(session.edit(1, 'Not a question', ASKING), false);
  assert.ok(session.edit(0, 'Uno', ASKING));
  assert.equal(session.edit(0, 'While it is answered', ASKING), false);
  await tick();
  assert.deepEqual(server.requests[0].messages, [{ role: 'user', content: 'Uno' }]);
});

test('deleted messages can be brought back until something else is asked', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const messages = [
    { role: 'user', content: 'One' },
    { role: 'assistant', content: 'Two' }
  ];
  kernel.conversation = { ...EMPTY, messages };
  const session = open(kernel, server);
  session.delete(1);
  assert.equal(session.phase, 'interrupted');
  assert.deepEqual(kernel.conversation.messages, messages.slice(0, 1));
  session.undo();
  assert.deepEqual(kernel.conversation.messages, messages);
  assert.equal(session.canUndo, false);
  session.clear();
  assert.ok(session.canUndo);
  session.send('Other', [], ASKING);
  session.stop();
  await tick();
  assert.equal(session.canUndo, false);
});

test('parameters belong to the conversation, and attachments are not sent as such', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.setParameters({ temperature: 0, system: 'Be brief.' });
  const cell = { kind: 'cell', title: 'Cell 1', text: '1/0', language: 'python', cut: '' };
  session.send('Why?', [cell], ASKING);
  await tick();
  assert.equal(kernel.conversation.parameters.temperature, 0);
  assert.equal(kernel.conversation.messages[0].attachments[0].title, 'Cell 1');
  const [request] = server.requests;
  assert.equal(request.temperature, 0);
  assert.deepEqual(Object.keys(request.messages[1]), ['role', 'content']);
});

const CALLS = [
  { index: 0, id: 'a', function: { name: 'run', arguments: '{"cell"' } },
  { index: 0, function: { arguments: ': 1}' } },
  { index: 1, id: 'b', function: { name: 'read', arguments: '{}' } }
];
const calling = call => ({ choices: [{ delta: { tool_calls: [call] } }] });

test('calls without tools are shown and end the turn', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const session = open(kernel, server);
  session.send('Run it', [], ASKING);
  await tick();
  CALLS.forEach(call => server.send(calling(call)));
  await tick();
  assert.deepEqual(session.answer.calls[0], { id: 'a', name: 'run', arguments: '{"cell": 1}' });
  server.end();
  await sleep(5);
  const { messages } = kernel.conversation;
  assert.equal(roles(messages), 'user assistant');
  assert.equal(messages[1].tool_calls[1].function.name, 'read');
  assert.equal(session.phase, 'idle');
});

test('results are sent to the model, and a stopped call has one', async () => {
  const [kernel, server] = [new Kernel(), new Server()];
  const tools = {
    definitions: names => names.map(name => ({ type: 'function', function: { name } })),
    run: async (calls, { onResult }, signal) => {
      onResult({ role: 'tool', tool_call_id: calls[0].id, content: 'done' });
      if (calls.length > 1) {
        await new Promise(resolve => signal.addEventListener('abort', resolve));
      }
      return true;
    }
  };
  kernel.conversation = { ...EMPTY, parameters: { tools: ['run'] } };
  const session = open(kernel, server, tools);
  session.send('Run it', [], ASKING);
  await tick();
  assert.equal(server.requests[0].tools[0].function.name, 'run');
  CALLS.slice(0, 2).forEach(call => server.send(calling(call)));
  server.end();
  await sleep(10);
  assert.equal(roles(server.requests[1].messages), 'user assistant tool');
  assert.equal(session.phase, 'answering');
  CALLS.forEach(call => server.send(calling(call)));
  server.end();
  await sleep(10);
  assert.equal(roles(kernel.conversation.messages), 'user assistant tool assistant tool');
  session.stop();
  await sleep(10);
  assert.equal(roles(kernel.conversation.messages), 'user assistant tool assistant tool tool');
  assert.match(kernel.conversation.messages[5].content, /stopped/);
  assert.ok(session.canContinue);
  assert.equal(server.requests.length, 2);
});

test('the tokens of the context follow an answer of this server', async () => {
  const server = new Server();
  const session = open(new Kernel(), server);
  session.send('Hi', [], ASKING);
  await tick();
  assert.equal(session.answer.tokens, null);
  const timings = { prompt_n: 3, cache_n: 20, predicted_n: 2, predicted_ms: 5 };
  server.send({ choices: [{ delta: { content: 'Hel' } }], timings });
  await tick();
  assert.equal(session.answer.tokens, 25);
  server.say('lo');
  await tick();
  assert.equal(session.answer.tokens, 25, 'as long as the server counts nothing new');
  server.end();
  await sleep(5);
});
