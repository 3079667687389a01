import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ChatSession } from '../../../lib/views/chat/session.js';
import { ToolLoop } from '../../../lib/views/chat/toolLoop.js';
import { resumeAnswers } from '../../../lib/views/chats/resuming.js';

const TIMING = { saveInterval: 5, silence: 20, linger: 5 };
const MODEL = { id: 'm', format: 'remote', capabilities: ['chat'] };

/** A server that is connected. */
const store = {
  subscribe(listener) {
    listener({ instance: 'i', models: new Map([['m', MODEL]]) }, 'connected');
    return () => undefined;
  }
};

function call(id) {
  return { id, type: 'function', function: { name: 'edit', arguments: '{}' } };
}

/** Open a page on a conversation that a page with the same id has left. */
function reopen(messages) {
  const requests = [];
  const asked = [];
  const transport = {
    async *stream(_path, body) {
      requests.push(body.messages);
      yield { choices: [{ delta: { content: 'Done.' } }] };
    }
  };
  const parameters = { type: 'object', properties: {}, required: [], additionalProperties: false };
  const edit = {
    name: 'edit',
    isReadOnly: false,
    definition: { type: 'function', function: { name: 'edit', description: '', parameters } },
    prepare: async () => ({ summary: 'Edit', scope: '', run: async () => 'edited' })
  };
  const questions = {
    askCall: (_tool, _call, decide) => asked.push(decide)
  };
  const answer = { content: '', page: 'p', beat: 1 };
  const conversation = { model: 'm', parameters: { tools: ['edit'] }, messages, answer };
  const file = { get: () => conversation, set: () => undefined, onChange: () => () => undefined };
  const loop = new ToolLoop(() => [edit], questions);
  const session = new ChatSession(transport, file, loop, TIMING, 'p');
  const end = resumeAnswers(store, session);
  return {
    session,
    requests,
    asked,
    close: () => {
      end();
      session.dispose();
    }
  };
}

const QUESTION = { role: 'user', content: 'Edit both' };

test('after a reload, calls that waited are asked about again and what was done stays', async () => {
  const messages = [
    QUESTION,
    { role: 'assistant', content: '', tool_calls: [call('a'), call('b')] },
    { role: 'tool', tool_call_id: 'a', content: 'edited' }
  ];
  const page = reopen(messages);
  while (page.asked.length === 0) {
    await sleep(1);
  }
  assert.equal(page.requests.length, 0);
  page.asked[0]({ kind: 'allow' });
  while (page.session.phase === 'answering') {
    await sleep(1);
  }
  assert.equal(page.asked.length, 1);
  const results = [...messages, { role: 'tool', tool_call_id: 'b', content: 'edited' }];
  assert.deepEqual(page.requests, [results]);
  page.close();
});

test('after a reload between a result and the answer, the answer follows the result', async () => {
  const messages = [
    QUESTION,
    { role: 'assistant', content: '', tool_calls: [call('a')] },
    { role: 'tool', tool_call_id: 'a', content: 'edited' }
  ];
  const page = reopen(messages);
  while (page.requests.length === 0) {
    await sleep(1);
  }
  assert.deepEqual(page.requests, [messages]); // without an answer that has no text
  page.close();
});
