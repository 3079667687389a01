import assert from 'node:assert/strict';
import { test } from 'node:test';

import { insertion } from '../../../lib/lab/context/inserting.js';

/** Insert code where the source has a `|`. */
function insert(marked, code) {
  const offset = marked.indexOf('|');
  const source = marked.replace('|', '');
  const { start, end, text } = insertion(source, offset, code);
  return source.slice(0, start) + text + source.slice(end);
}

test('code on a blank line takes its indentation', () => {
  assert.equal(insert('|', 'a = 1\nb = 2\n'), 'a = 1\nb = 2');
  assert.equal(
    insert('def f():\n    |', 'x = 1\nif x:\n    y()\n'),
    'def f():\n    x = 1\n    if x:\n        y()'
  );
  assert.equal(
    insert('def f():\n    |\ng()', '    x = 1\n\n    return x'),
    'def f():\n    x = 1\n\n    return x\ng()'
  );
  assert.equal(insert('if a:\n\t|', 'b()\nc()'), 'if a:\n\tb()\n\tc()');
});

test('code at the end of a line begins a new one', () => {
  assert.equal(insert('a = 1|', 'b = 2'), 'a = 1\nb = 2');
  assert.equal(insert('    a = 1|\n    c = 3', 'b = 2\n'), '    a = 1\n    b = 2\n    c = 3');
});

test('code before a line pushes it down', () => {
  assert.equal(insert('|b = 2', 'a = 1\n'), 'a = 1\nb = 2');
  assert.equal(insert('if x:\n    |b()', 'a()\n'), 'if x:\n    a()\n    b()');
});

test('code within a line is inserted as it is', () => {
  assert.equal(insert('f(|)', 'x, y'), 'f(x, y)');
  assert.equal(insert('f(|)', 'x\n'), 'f(x)');
});
