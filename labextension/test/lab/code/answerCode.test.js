import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findCode } from '../../../lib/lab/code/answerCode.js';

const fence = (language, code) => `\`\`\`${language}\n${code}\n\`\`\``;

test('the code is in the fence of the language', () => {
  const answer = `Here it is:\n\n${fence('python', 'x = 1\n')}\n\nIt sets x.`;
  assert.deepEqual(findCode(answer, 'python'), { code: 'x = 1', note: '' });
  for (const name of ['', 'py', 'Python3', '{python}']) {
    assert.equal(findCode(fence(name, 'x = 1'), 'python').code, 'x = 1');
  }
});

test('a fence within a longer one is code', () => {
  const inner = fence('python', 'x = 1');
  const answer = `\`\`\`\`markdown\n${inner}\n\`\`\`\``;
  assert.equal(findCode(answer, 'markdown').code, inner);
});

test('of several blocks it is the longest of the language, and the note says so', () => {
  const answer = [fence('python', 'a'), fence('bash', 'pip install x y z'), fence('python', 'abc')];
  const found = findCode(answer.join('\n'), 'python');
  assert.equal(found.code, 'abc');
  assert.match(found.note, /3 blocks/);
});

test('code in another language is not used', () => {
  const found = findCode(fence('bash', 'ls'), 'python');
  assert.equal(found.code, null);
  assert.match(found.note, /no code in python, but in bash/);
});

test('prose is not code', () => {
  for (const answer of ['I cannot help with that.', 'The value x is not defined.', '', '  \n']) {
    assert.equal(findCode(answer, 'python').code, null);
  }
  assert.equal(findCode('Use x = 1 instead.\nThen run it.', 'python').code, null);
});

test('code without a fence is code', () => {
  const code =
    'import os\n\ndef f(x):\n    """Return x."""\n    return x\n\n# call it\nf(1)\ny = f(2)';
  assert.equal(findCode(`\n${code}\n`, 'python').code, code);
  assert.equal(findCode('%matplotlib inline\n!ls\nx[0] += 1', 'python').code?.length, 32);
  assert.equal(findCode('# A title\n\nSome text.', 'markdown').code, '# A title\n\nSome text.');
});

test('a block that has not ended is code', () => {
  assert.equal(findCode('```python\nx = [\n    1,', 'python').code, 'x = [\n    1,');
  assert.equal(findCode('```python', 'python').code, null);
});

test('thoughts are no part of the answer', () => {
  const thoughts = `<think>\n${fence('python', 'wrong = 1')}\n</think>`;
  assert.equal(findCode(`${thoughts}\n${fence('python', 'x')}`, 'python').code, 'x');
  assert.equal(findCode(`<think>${fence('python', 'wrong')}`, 'python').code, null);
});

test('indentation stays', () => {
  assert.equal(findCode(fence('', '\n    return x\n'), 'python').code, '    return x');
});
