import assert from 'node:assert/strict';
import { test } from 'node:test';

import { snippets } from '../../../lib/views/details/snippets.js';

const BASE = 'http://localhost:8888/user/ada/?token=secret';
const of = (capabilities, base = BASE, id = 'bartowski/Llama:Q4_K_M') =>
  Object.fromEntries(snippets({ id, capabilities }, base).map(({ title, code }) => [title, code]));

test('a chat model has code of four kinds', () => {
  const found = of(['completion', 'chat', 'embeddings']);
  assert.deepEqual(Object.keys(found), ['Client', 'Magic', 'openai', 'curl']);
  assert.match(found.Client, /client\.chat\("bartowski\/Llama:Q4_K_M", /);
  assert.match(found.Magic, /^%%power bartowski\/Llama:Q4_K_M\n/);
  assert.match(found.openai, /power\.connect\(\)\.openai\(\)/); // finds the token itself
  assert.match(
    found.curl,
    /^curl 'http:\/\/localhost:8888\/user\/ada\/v1\/chat\/completions' \\\n/
  );
  assert.match(found.curl, /Bearer \$JUPYTER_TOKEN"/);
});

test('what has to be done before the code runs is said', () => {
  const notes = snippets({ id: 'm', capabilities: ['chat'] }, BASE).map(({ note }) => note ?? '');
  assert.deepEqual(
    notes.map(note => note.match(/%load_ext|JUPYTER_TOKEN/)?.[0]),
    [undefined, '%load_ext', undefined, 'JUPYTER_TOKEN']
  );
});

test('code never has the token of the page', () => {
  assert.ok(!JSON.stringify(of(['completion', 'chat'])).includes('secret'));
});

test('models that do not chat have the code that they can run', () => {
  const plain = of(['completion']);
  assert.deepEqual(Object.keys(plain), ['Client', 'openai', 'curl']);
  assert.match(plain.openai, /client\.completions\.create/);
  const embeddings = of(['embeddings']);
  assert.match(embeddings.Client, /client\.embed\(/);
  assert.match(embeddings.curl, /\/v1\/embeddings'/);
  const rerank = of(['rerank']);
  assert.deepEqual(Object.keys(rerank), ['Client', 'curl']);
  assert.match(rerank.curl, /\/v1\/rerank'/);
});

test('without the address of the server, code finds it in the kernel', () => {
  const found = of(['completion', 'chat'], null);
  assert.deepEqual(Object.keys(found), ['Client', 'Magic', 'openai']);
  assert.match(found.openai, /power\.connect\(\)\.openai\(\)/);
  assert.ok(!JSON.stringify(found).includes('http'));
});

test('names are quoted for the shell and for Python', () => {
  const found = of(['completion', 'chat'], BASE, `it's"$(x)`);
  assert.ok(found.curl.includes(`"model":"it'\\''s\\"$(x)"`));
  assert.ok(found.Client.includes('client.chat("it\'s\\"$(x)"'));
});
