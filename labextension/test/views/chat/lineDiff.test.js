import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lineDiff } from '../../../lib/views/chat/lineDiff.js';

const SIGNS = { same: ' ', removed: '-', added: '+' };
const shown = (before, after) =>
  lineDiff(before, after)
    .map(({ kind, text }) => SIGNS[kind] + text)
    .join('\n');

test('lines that are in both texts stay', () => {
  assert.equal(shown('a\nb\nc', 'a\nB\nc'), ' a\n-b\n+B\n c');
  assert.equal(shown('a\nb\nc\nd', 'b\nc\nx\nd'), '-a\n b\n c\n+x\n d');
  assert.equal(shown('', 'a\nb'), '+a\n+b');
  assert.equal(shown('a', ''), '-a');
  assert.equal(shown('a\na', 'a\na\na'), ' a\n a\n+a');
  assert.equal(shown('', ''), '');
});

test('both texts can be read from the lines', () => {
  const words = 'abcab'.split('');
  for (let n = 0; n < 500; n += 1) {
    const text = () =>
      Array.from(
        { length: 1 + Math.floor(Math.random() * 8) },
        () => words[Math.floor(Math.random() * 5)]
      ).join('\n');
    const [before, after] = [text(), text()];
    const lines = lineDiff(before, after);
    const without = kind =>
      lines
        .filter(line => line.kind !== kind)
        .map(line => line.text)
        .join('\n');
    assert.equal(without('added'), before);
    assert.equal(without('removed'), after);
  }
});

test('large texts take little time', () => {
  const text = letter => Array.from({ length: 20_000 }, (_, i) => letter + i).join('\n');
  const started = performance.now();
  assert.equal(lineDiff(text('a'), text('b')).length, 40_000);
  assert.ok(performance.now() - started < 5_000);
});
