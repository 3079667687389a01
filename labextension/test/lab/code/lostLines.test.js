import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lostLines } from '../../../lib/lab/code/lostLines.js';

const CODE = 'def f(x):\n    y = x\n    return y\n\ndef g():\n    return 2\n';

test('the lines that half an answer has not reached are counted', () => {
  assert.deepEqual(lostLines(CODE, 'def f(x):\n    z = x'), { count: 3, first: 'return y' });
  assert.deepEqual(lostLines(CODE, 'def f(x):'), { count: 4, first: 'y = x' });
  const rest = 'print(f(1))\n';
  assert.deepEqual(lostLines(CODE + rest, `def f(x):\n    y = x\n${rest}`), {
    count: 3,
    first: 'return y'
  });
});

test('nothing is lost if an answer only adds and changes', () => {
  for (const after of [
    CODE,
    `${CODE}\nh = 1`,
    CODE.replace('return 2', 'return 3'),
    `# new\n${CODE}`
  ]) {
    assert.deepEqual(lostLines(CODE, after), { count: 0, first: '' });
  }
  assert.deepEqual(lostLines('', 'x = 1'), { count: 0, first: '' });
  assert.deepEqual(lostLines('a\n\n\n', 'a'), { count: 0, first: '' });
});
