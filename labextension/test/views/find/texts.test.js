import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  contextText,
  firstVariant,
  fitMark,
  freeName,
  hubFacts,
  localFacts,
  memoryText,
  nameOfPath,
  referenceIn,
  sizeText
} from '../../../lib/views/find/texts.js';
import { tokenText } from '../../../lib/views/find/tokenField.js';

test('facts of a model of the hub leave out what is unknown', () => {
  const model = { id: 'a/b', downloads: 1_234_567, likes: 1 };
  assert.deepEqual(hubFacts(model, 0), ['1.2M downloads', '1 like']);
  const full = { ...model, parameter_count: 1.5e9, license: 'mit', updated_at: 0 };
  assert.deepEqual(hubFacts(full, 3 * 86400).slice(2), [
    '1.5 B parameters',
    'mit',
    'updated 3 d ago'
  ]);
});

for (const [days, text] of [
  [0.1, '2 h'],
  [40, '40 d'],
  [61, '2 months'],
  [700, '23 months'],
  [740, '2 years']
]) {
  test(`an update of ${days} days ago`, () => {
    const facts = hubFacts({ downloads: 0, likes: 0, updated_at: 0 }, days * 86400);
    assert.equal(facts.pop(), `updated ${text} ago`);
  });
}

test('sizes of variants have the number of files, and memory is left out if unknown', () => {
  const variant = { size_bytes: 4_700_000_000, file_count: 1 };
  assert.equal(sizeText(variant), '4.7 GB');
  assert.equal(sizeText({ ...variant, file_count: 2 }), '4.7 GB in 2 files');
  assert.equal(memoryText(variant), '');
  assert.equal(memoryText({ ...variant, memory_bytes: 5e9 }), '5.0 GB of memory');
  assert.equal(contextText(4096), '4,096 tokens');
});

test('each way to fit has its own text and icon', () => {
  const marks = ['gpu', 'memory', 'too_large', 'unknown'].map(fitMark);
  assert.equal(new Set(marks.map(mark => mark.text)).size, 4);
  assert.equal(new Set(marks.map(mark => mark.icon)).size, 4);
});

test('the recommended variant is first, or else the first one', () => {
  const [a, b] = [{ recommended: false }, { recommended: true }];
  assert.equal(firstVariant([a, b]), b);
  assert.equal(firstVariant([a]), a);
  assert.equal(firstVariant([]), undefined);
});

for (const text of [
  'a/b',
  ' a-b/c.d:Q4_K_M ',
  'hf.co/a/b:Q8_0',
  'https://huggingface.co/a/b/tree/main',
  'a/b/c.gguf',
  'a/b@main:Q4_0'
]) {
  test(`a reference: ${text}`, () => assert.equal(referenceIn(text), text.trim()));
}

for (const text of ['', 'llama', 'llama 3/4 b', '/a', 'a/', 'a//b', 'https://example.com/a/b']) {
  test(`not a reference: ${text}`, () => assert.equal(referenceIn(text), null));
}

test('a free name has a number if the name is taken', () => {
  const taken = new Set(['a', 'a-2']);
  assert.equal(
    freeName('a', name => taken.has(name)),
    'a-3'
  );
  assert.equal(
    freeName('b', name => taken.has(name)),
    'b'
  );
});

test('the name of a path is its last part without .gguf', () => {
  assert.equal(nameOfPath('models/Some.Model.GGUF'), 'Some.Model');
  assert.equal(nameOfPath('models/folder/'), 'folder');
  assert.equal(nameOfPath('C:\\models\\a.gguf'), 'a');
});

test('facts of a model on this machine name the program', () => {
  const model = { format: 'gguf', size_bytes: 1.2e9 };
  assert.deepEqual(localFacts({ ...model, source: 'lmstudio' }), ['LM Studio', 'gguf', '1.2 GB']);
  assert.equal(localFacts({ ...model, source: 'other' })[0], 'other');
});

test('the text about the token says where it comes from and whose it is', () => {
  assert.match(tokenText({ present: false, source: null }), /No token/);
  assert.match(tokenText({ present: true, source: 'environment' }), /HF_TOKEN/);
  assert.match(tokenText({ present: true, source: 'file', user: 'ada' }), /stored.*ada/);
});
