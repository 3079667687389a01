import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shape } from '../../../lib/lab/inline/trim.js';

/** Shape a text at the `|` of `code`. */
function at(code, raw, progress = 'complete', multiLine = true) {
  const [before, after] = code.split('|');
  return shape(raw, { before, after, multiLine }, progress);
}

const cases = [
  // one line
  ['x = |', '1\ny = 2', '1', false],
  ['x = |', '\ny', '', false],
  ['f(|)', 'a, b)', 'a, b', true],
  ['f(|)', 'g(a)', 'g(a)', true],
  ['f(|)', 'g(a))', 'g(a)', true],
  ['f("|")', 'name")', 'name', true],
  ['x = |, y)', '1, y)', '1', true],
  ['return |  # a comment', 'x\nprint()', 'x', true],
  // a block
  ['def f():|', '\n    return 1\nprint(f())', '\n    return 1', true],
  ['def f():|', '\n    x = 1\n    return x\n\n\nf()', '\n    x = 1\n    return x', true],
  ['    if a:|', '\n        b()\n    else:', '\n        b()', true],
  ['    a()|', '\n    b()\nc()', '\n    b()', true],
  ['x = [|', '\n    1,\n]\ny = 2', '\n    1,\n]', true],
  // what is there already
  ['a()|\nc()', '\nb()\nc()\nd()', '\nb()', true],
  ['a()|\n\nc()', '\nc()', '', true],
  // spaces
  ['x = |', ' 1', '1', true],
  ['x =|', ' 1', ' 1', true],
  ['    |', '  x', '  x', true],
  ['x = |', '1  \n', '1', true],
  ['x = |', '1\r\ny = 2', '1\ny = 2', true],
  ['x = |', 'caf\uFFFD', 'caf', true]
];

for (const [code, raw, expected, multiLine] of cases) {
  test(`${JSON.stringify(code)} with ${JSON.stringify(raw)}`, () => {
    assert.equal(at(code, raw, 'complete', multiLine).text, expected);
  });
}

test('the model can stop where a completion ends', () => {
  assert.equal(at('x = |', '1\n', 'running', false).ended, true);
  assert.equal(at('def f():|', '\n    a\n\n', 'running').ended, true);
  assert.equal(at('def f():|', '\n    a\nb', 'running').ended, true);
  assert.equal(at('a()|\nc()', '\nb()\nc()', 'running').ended, false); // may become c().d()
  assert.equal(at('a()|\nc()', '\nb()\nc()\n', 'running').ended, true);
  assert.equal(at('def f():|', '\n    a', 'running').ended, false);
});

test('a line that may be there already is not shown while it is written', () => {
  assert.equal(at('a()|\nc(x)', '\nb()\nc(', 'running').text, '\nb()');
  assert.equal(at('a()|\nc(x)', '\nb()\nd(', 'running').text, '\nb()\nd(');
});

test('the limit of tokens leaves no half of a line or of a word', () => {
  assert.equal(at('def f():|', '\n    a = 1\n    b = lo', 'cut').text, '\n    a = 1');
  assert.equal(at('x = |', 'first + sec', 'cut').text, 'first +');
  assert.equal(at('x = |', 'first', 'cut').text, 'first');
});

test('a growing text keeps what was shown', () => {
  const raw = '\n    total = sum(values)\n    return total / len(values)\n\nprint()';
  let last = '';
  for (let size = 1; size <= raw.length; size += 1) {
    const { text, ended } = at('def mean(values):|', raw.slice(0, size), 'running');
    assert.ok(text.startsWith(last), `${JSON.stringify(text)} after ${JSON.stringify(last)}`);
    last = text;
    if (ended) {
      break;
    }
  }
  assert.equal(last, '\n    total = sum(values)\n    return total / len(values)');
});
