import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chatTitle } from '../../../lib/lab/code/chatTitle.js';

test('a chat about an error has its name and the file', () => {
  assert.equal(chatTitle('b.ipynb', '1 / 0', 'ZeroDivisionError'), 'ZeroDivisionError in b.ipynb');
});

test('a chat about code has its first line and the file', () => {
  assert.equal(chatTitle('b.ipynb', '\n  a = 1\nb = 2', null), 'a = 1 in b.ipynb');
  assert.equal(chatTitle('b.ipynb', '', null), 'b.ipynb');
  assert.equal(chatTitle('b.py', 'x'.repeat(50), null), `${'x'.repeat(39)}… in b.py`);
});

test('a title is at most 80 characters long, and no character is divided', () => {
  const title = chatTitle(`${'😀'.repeat(100)}.ipynb`, '', 'KeyError');
  assert.equal([...title].length, 80);
  assert.match(title, /^KeyError in (?:😀)+…$/u);
});
