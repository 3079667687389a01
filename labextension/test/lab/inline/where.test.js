import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isSensible, languageOf } from '../../../lib/lab/inline/where.js';

test('languages have the names of the settings', () => {
  const names = ['text/x-ipython', 'text/x-python', 'text/x-rsrc', 'text/x-ipythongfm'];
  assert.deepEqual(names.map(languageOf), ['python', 'python', 'r', 'markdown']);
  const more = ['text/plain', 'application/json', 'text/x-c++src', 'text/x-julia; charset=x'];
  assert.deepEqual(more.map(languageOf), ['text', 'json', 'c++', 'julia']);
});

const places = [
  ['x = |', true],
  ['prin|', true],
  ['pri|nt(1)', false],
  ['print(|x)', true],
  ['%%power\nTell me |', false],
  ['%%power --model m\nTell me |', false],
  ['\n%%bash\nls |', false],
  ['%%time\nx = |', true],
  ['%%timeit -n 3\nx = |', true],
  ['%%ti|', false],
  ['%matplotlib |', false],
  ['x = 1\n  !pip install |', false],
  ['x = 5 % |', true],
  ['%%writefile a.py\nx = |', false]
];

for (const [code, expected] of places) {
  test(`in ${JSON.stringify(code)}`, () => {
    const [before, after] = code.split('|');
    assert.equal(isSensible(before, after, 'text/x-ipython', ['markdown']), expected);
  });
}

test('percent signs begin magics only in IPython', () => {
  assert.equal(isSensible('%%bash\nls ', '', 'text/x-python', []), true);
});

test('a language can be turned off', () => {
  assert.equal(isSensible('Some ', '', 'text/x-ipythongfm', ['Markdown']), false);
  assert.equal(isSensible('SELECT ', '', 'text/x-sql', ['markdown']), true);
});
