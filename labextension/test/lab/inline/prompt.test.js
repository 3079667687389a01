import assert from 'node:assert/strict';
import { test } from 'node:test';

import { buildPrompt } from '../../../lib/lab/inline/prompt.js';

const code = source => ({ type: 'code', source });

function around(changes = {}) {
  const base = { path: 'a/b.ipynb', mimeType: 'text/x-ipython', above: [], below: [] };
  return { ...base, before: 'x = ', after: '\n', ...changes };
}

test('the cells around are part of the prompt, and those without code are comments', () => {
  const above = [{ type: 'markdown', source: '# Title\n\nText' }, code('import os\n'), code('  ')];
  const below = [code('print(x)'), code('%%power\nHello')];
  assert.deepEqual(buildPrompt(around({ above, below }), 1000), {
    before: '# a/b.ipynb\n# # Title\n# \n# Text\n\nimport os\n\nx = ',
    after: '\n\n\nprint(x)\n\n# %%power\n# Hello'
  });
});

test('comments are those of the language', () => {
  const prompt = buildPrompt(around({ path: 'a.js', mimeType: 'text/javascript' }), 1000);
  assert.equal(prompt.before, '// a.js\nx = ');
  assert.equal(buildPrompt(around({ mimeType: 'text/x-ipythongfm' }), 1000).before, 'x = ');
});

test('a prompt begins at the same place from key to key', () => {
  const lines = Array.from({ length: 400 }, (_, n) => `value_${n} = ${n}`).join('\n');
  const typed = 'result = compute(value_1, value_2, value_3)\n'.repeat(5);
  const starts = new Set();
  for (let size = 0; size <= typed.length; size += 1) {
    const before = `${lines}\n${typed.slice(0, size)}`;
    const prompt = buildPrompt(around({ before }), 256).before;
    assert.ok(prompt.length <= 256 * 3 + 20);
    assert.ok(before.endsWith(prompt.slice('# a/b.ipynb\n'.length)));
    starts.add(prompt.slice(0, 60));
  }
  assert.ok(starts.size <= 3, `${starts.size} beginnings in ${typed.length} keys`);
});

test('what is cut is cut between lines', () => {
  const text = 'abcdefgh\n'.repeat(200);
  const { before, after } = buildPrompt(around({ before: text, after: text }), 100);
  assert.match(before, /^# a\/b\.ipynb\n(abcdefgh\n)+$/);
  assert.match(after, /^(abcdefgh\n)*abcdefgh$/);
  assert.ok(after.length < before.length);
});
