import assert from 'node:assert/strict';
import { test } from 'node:test';

import { editBetween, splitMagic, withMagic } from '../../../lib/lab/code/edits.js';

test('the line of a cell magic is kept', () => {
  assert.deepEqual(splitMagic('%%bash -e\nls'), { magic: '%%bash -e\n', code: 'ls' });
  assert.deepEqual(splitMagic('%time x\n!ls'), { magic: '', code: '%time x\n!ls' });
  assert.equal(withMagic('%%bash -e\n', 'ls -l'), '%%bash -e\nls -l');
  assert.equal(withMagic('%%bash -e\n', '%%bash -e\nls -l'), '%%bash -e\nls -l');
  assert.equal(withMagic('', 'x'), 'x');
});

test('an edit changes no more than it must', () => {
  const apply = (text, { start, end, text: added }) =>
    text.slice(0, start) + added + text.slice(end);
  for (const [before, after] of [
    ['x = 1\ny = 2', 'x = 1\nz = 2'],
    ['aaa', 'aa'],
    ['aa', 'aaa'],
    ['', 'x'],
    ['x', '']
  ]) {
    assert.equal(apply(before, editBetween(before, after)), after);
  }
  assert.deepEqual(editBetween('x = 1', 'x = 10'), { start: 5, end: 5, text: '0' });
  assert.equal(editBetween('x', 'x'), null);
});
