import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkRoom, chosenModel, Gate, promptTokens } from '../../../lib/lab/inline/gate.js';
import { statusOf } from '../../../lib/lab/inline/status.js';

const ON = { name: 'm', enabled: true, activity: 'idle', problem: '' };

test('the status bar says whether it is on, and what the model does', () => {
  const word = (changes, model) => statusOf({ ...ON, ...changes }, model).word;
  assert.equal(word({}), 'on');
  assert.equal(word({ enabled: false, problem: 'x' }), 'off');
  assert.equal(word({ activity: 'waiting' }), 'reading');
  assert.equal(word({ activity: 'generating' }), 'writing');
  assert.equal(word({ activity: 'waiting' }, { state: 'loading', progress: 0.4 }), 'loading 40%');
  const problem = statusOf({ ...ON, problem: 'No memory.' });
  assert.deepEqual([problem.sentence, problem.isProblem], ['No memory.', true]);
});

test('after errors, requests become rare until one succeeds', () => {
  let now = 0;
  const gate = new Gate(() => now);
  assert.equal(gate.isClosed, false);
  gate.failed();
  assert.equal(gate.isClosed, true);
  now = 5_000;
  assert.equal(gate.isClosed, false);
  gate.failed();
  now = 14_000;
  assert.equal(gate.isClosed, true);
  now = 15_000;
  assert.equal(gate.isClosed, false);
  gate.failed();
  gate.open();
  assert.equal(gate.isClosed, false);
});

test('a model that is missing or generates no text is a problem', () => {
  const models = new Map([['e', { id: 'e', capabilities: ['embeddings'] }]]);
  assert.throws(() => chosenModel(models, 'm'), /no model m/);
  assert.throws(() => chosenModel(models, 'e'), /no text/);
});

test('a request never unloads the model of somebody else', async () => {
  const asked = [];
  const transport = estimate => ({
    request: async (method, path) => {
      asked.push(`${method} ${path}`);
      return estimate;
    }
  });
  const check = (state, estimate, format = 'gguf') =>
    checkRoom(transport(estimate), { id: 'm', state, format }, new AbortController().signal);
  await check('loaded', null);
  await check('loading', null);
  await check('unloaded', null, 'remote');
  assert.deepEqual(asked, []);
  await check('unloaded', { evicts: [], waits: false });
  assert.deepEqual(asked, ['POST models/m/estimate']);
  await assert.rejects(check('unloaded', { evicts: ['chat'], waits: false }), /unload chat/);
  await assert.rejects(check('failed', { evicts: [], waits: true }), /in use/);
});

test('a prompt leaves room in the context', () => {
  assert.equal(promptTokens({}, 1024, 64), 1024);
  assert.equal(promptTokens({ num_ctx: 4096 }, 1024, 64), 1024);
  assert.equal(promptTokens({ num_ctx: 512, context_length: 8192 }, 1024, 64), 224);
});
