import assert from 'node:assert/strict';
import { test } from 'node:test';

import { choices } from '../../../lib/lab/inline/choices.js';
import { codeOf, modeOf, partsOf, requestFor } from '../../../lib/lab/inline/request.js';

const LIMITS = { maxTokens: 32, multiLine: true, keepAlive: '30m' };

test('a model fills in if it can', () => {
  assert.equal(modeOf({ capabilities: ['completion', 'chat', 'fill_in'] }), 'fill_in');
  assert.equal(modeOf({ capabilities: ['completion', 'chat'] }), 'chat');
  assert.equal(modeOf({ capabilities: ['completion'] }), 'continue');
  assert.equal(modeOf({ capabilities: [], format: 'remote' }), 'chat');
  assert.equal(modeOf({ capabilities: ['rerank'] }), null);
});

test('the dialog lists models that fill in first', () => {
  const model = (id, ...capabilities) => [id, { id, capabilities }];
  const models = new Map([
    model('a', 'completion', 'chat'),
    model('b', 'embeddings'),
    model('c', 'completion', 'fill_in')
  ]);
  assert.deepEqual(
    choices(models).map(choice => choice.name),
    ['c', 'a']
  );
});

test('the suffix is never empty, so that the prompt has the same form at the end', () => {
  const ask = (after, limits = LIMITS) =>
    requestFor('m', 'fill_in', { before: 'x = ', after }, 'python', limits);
  assert.equal(ask('').body.suffix, '\n');
  assert.equal(ask('\ny').body.suffix, '\ny');
  assert.equal(ask('').path, 'completions');
  assert.deepEqual(ask('').body.stop, ['\n\n']);
  assert.deepEqual(ask('', { ...LIMITS, multiLine: false }).body.stop, ['\n']);
  assert.equal('keep_alive' in ask('', { ...LIMITS, keepAlive: '' }).body, false);
  const plain = requestFor('m', 'continue', { before: 'x', after: 'y' }, 'python', LIMITS);
  assert.equal('suffix' in plain.body, false);
});

test('a chat is asked to go on with the current line', () => {
  const prompt = { before: 'a = 1\nb = ', after: '\nc' };
  const { path, body } = requestFor('m', 'chat', prompt, 'python', LIMITS);
  assert.equal(path, 'chat/completions');
  assert.equal(body.messages.at(-1).content, '```python\nb =');
  // What changes with each key is at the end.
  assert.ok(body.messages[1].content.endsWith('a = 1\nb =\n```'));
});

test('the code of an answer', () => {
  const before = 'a = 1\nb = f';
  assert.equal(codeOf('(a)', before), '(a)');
  assert.equal(codeOf('(a)\n```\nThis calls f.', before), '(a)');
  assert.equal(codeOf('```python\nb = f(a)\n```', before), '(a)');
  assert.equal(codeOf('```python\n(a)\n```', before), '(a)');
  assert.equal(codeOf('```', before), null);
  assert.equal(codeOf('```python\nb =', before), null);
});

test('replies of both routes, and an error among the events', async () => {
  async function* events(...list) {
    yield* list;
  }
  const parts = [];
  const error = { error: { message: 'No memory.', code: 'insufficient_memory' } };
  await assert.rejects(async () => {
    for await (const part of partsOf(
      events(
        { choices: [{ text: 'a' }] },
        { choices: [{ delta: { content: 'b' } }] },
        { choices: [{ text: '', finish_reason: 'length' }] },
        { choices: [] },
        error
      )
    )) {
      parts.push(part);
    }
  }, /No memory/);
  assert.deepEqual(parts, [
    { text: 'a', isCut: false },
    { text: 'b', isCut: false },
    { text: '', isCut: true }
  ]);
});
