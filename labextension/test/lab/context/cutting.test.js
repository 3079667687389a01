import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cutLines, estimateTokens, share } from '../../../lib/lab/context/cutting.js';

const numbered = count => Array.from({ length: count }, (_, i) => `line ${i + 1}`).join('\n');

test('a text that fits is not cut', () => {
  assert.deepEqual(cutLines('a = 1\nb = 2', 50, 'start'), { text: 'a = 1\nb = 2', cut: '' });
  assert.deepEqual(cutLines('', 0, 'start'), { text: '', cut: '' });
});

test('a text is cut by whole lines, and says which are missing', () => {
  const start = cutLines(numbered(100), 100, 'start');
  assert.match(start.text, /^line 1\nline 2\n/);
  const [, from] = /Lines (\d+) to 100 of 100 were left out\./.exec(start.cut);
  assert.ok(start.text.includes(`\nline ${from - 1}\n[... ${101 - from} lines left out ...]`));
  const ends = cutLines(numbered(100), 100, 'ends');
  assert.match(ends.text, /^line 1\n[^]*lines left out[^]*\nline 100$/);
  assert.match(ends.cut, /^Lines \d+ to \d+ of 100 were left out\.$/);
});

test('no text is longer than its tokens', () => {
  const texts = [
    numbered(1000),
    '0.123, '.repeat(3000),
    'x'.repeat(100_000),
    '\n'.repeat(5000),
    '字'.repeat(5000),
    '😀'.repeat(2000),
    `short\n${'long '.repeat(4000)}\nend`
  ];
  for (const text of texts) {
    for (const keep of ['start', 'ends']) {
      for (const tokens of [24, 100, 1000]) {
        const piece = cutLines(text, tokens, keep);
        assert.ok(estimateTokens(piece.text) <= tokens + 12, `${text.slice(0, 9)} ${tokens}`);
        assert.notEqual(piece.cut, '');
        assert.ok(piece.text.isWellFormed());
      }
    }
  }
});

test('a long line is clipped, and the lines beside it stay', () => {
  const { text, cut } = cutLines(`first\n${'x'.repeat(9000)}\nlast`, 200, 'start');
  assert.match(text, /^first\nx+…\nlast$/);
  assert.equal(cut, 'The end of a long line was left out.');
});

test('tokens that a small part does not need go to the others', () => {
  assert.deepEqual(share(100, [10, 200, 300]), [10, 45, 45]);
  assert.deepEqual(share(100, [30, 20, 10]), [30, 20, 10]);
  assert.deepEqual(share(0, [30, 20]), [0, 0]);
  assert.deepEqual(share(100, []), []);
  assert.deepEqual(share(100, [300, 5]), [95, 5]);
});
