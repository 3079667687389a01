import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ranCode } from '../../../lib/lab/code/ranCode.js';

function cell(source, executionCount, { types = [], isDirty = false, type = 'code' } = {}) {
  const outputs = { length: types.length, get: index => ({ type: types[index] }) };
  return { type, executionCount, isDirty, outputs, sharedModel: { getSource: () => source } };
}

test('code that has run as it is now is kept, with its language', () => {
  const cells = [
    cell('# Text', null, { type: 'markdown' }),
    cell('x = 1', 1, { types: ['stream'] }),
    cell('never run', null),
    cell('edited since', 2, { isDirty: true }),
    cell('raised', 3, { types: ['stream', 'error'] }),
    cell('%%power\nWhat is x?', 4),
    cell('%%bash\nls', 5),
    cell(' \n', 6),
    cell('later', 9)
  ];
  const [x, ls, later] = [
    { language: 'python', code: 'x = 1' },
    { language: 'bash', code: '%%bash\nls' },
    { language: 'python', code: 'later' }
  ];
  assert.deepEqual(ranCode(cells, 'python'), [x, ls, later]);
  assert.deepEqual(ranCode(cells, 'python', 9), [x, ls]);
});
