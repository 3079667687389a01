import assert from 'node:assert/strict';
import { test } from 'node:test';

import { joined } from '../../../lib/views/chat/attachment.js';

const file = (title, text) => ({ kind: 'file', title, text, language: '', cut: '' });
const image = (title, data) => ({ ...file(title, ''), kind: 'image', image: `data:${data}` });

test('what is attached twice is there once, in its first place', () => {
  const [a, b] = [file('a.txt', 'A'), file('b.txt', 'B')];
  assert.deepEqual(joined([a, b], [{ ...a }]), [a, b]);
  assert.deepEqual(joined([], [b, { ...b }, a]), [b, a]);
});

test('another text under the same name is attached, too', () => {
  const before = file('a.txt', 'A');
  const after = file('a.txt', 'A and more');
  const selection = { ...before, kind: 'selection' };
  assert.deepEqual(joined([before], [after, selection]), [before, after, selection]);
});

test('images are compared by what they show', () => {
  const first = image('Image', '1');
  const second = image('Image', '2');
  assert.deepEqual(joined([first], [second, image('b.png', '1')]), [first, second]);
});
