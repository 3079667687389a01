import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cellAttachments } from '../../../lib/lab/context/cells.js';
import { asPrinted, outputParts } from '../../../lib/lab/context/outputs.js';
import { isIntended, readableTraceback } from '../../../lib/lab/context/traceback.js';

const display = data => ({ output_type: 'display_data', data, metadata: {} });
const stream = text => ({ output_type: 'stream', name: 'stdout', text });
const red = text => `\x1b[31m${text}\x1b[39m`;

/** The error of an IPython kernel with `count` frames, all but the first one of a library. */
function error(count) {
  const place = index =>
    index === 0 ? 'Cell In[3], line 1' : `File /x/site-packages/lib/m${index}.py:7, in f(a)`;
  const frames = Array.from({ length: count }, (_, i) => `${red(place(i))}\n----> ${i} code${i}()`);
  const heading = 'ValueError                     Traceback (most recent call last)';
  const traceback = [red('-'.repeat(75)), red(heading), ...frames, red('ValueError: bad value')];
  return { output_type: 'error', ename: 'ValueError', evalue: 'bad value', traceback };
}

test('a stream is what a terminal shows', () => {
  assert.equal(asPrinted('10%\r50%\r100%\ndone\n'), '100%\ndone\n');
  assert.equal(asPrinted('a\r\nb\r'), 'a\nb');
  assert.equal(asPrinted(`${red('red')}\x1b]8;;http://x\x07link\x1b]8;;\x07\n`), 'redlink\n');
});

test('tables are text, plots are images', () => {
  const parts = outputParts([
    stream(['a\n', 'b\n']),
    display({ 'text/plain': '   x  y\n0  1  2', 'text/html': '<table></table>' }),
    display({ 'text/plain': '<Figure size 640x480>', 'image/png': 'iVBO\nRw0=\n' }),
    display({ 'text/plain': '<IPython.core.display.Markdown object>', 'text/markdown': '# Title' }),
    display({ 'text/plain': '<IPython.core.display.SVG object>', 'image/svg+xml': '<svg/>' })
  ]);
  assert.equal(parts.text, 'a\nb\n   x  y\n0  1  2\n# Title');
  assert.deepEqual(parts.images, ['data:image/png;base64,iVBORw0=']);
  assert.match(parts.cut, /^An SVG image was left out/);
  assert.equal(parts.error, null);
});

test('a traceback shows the own code, where it went, and the message', () => {
  const { text, cut } = readableTraceback(error(4), 500);
  assert.equal(
    text,
    [
      'Cell In[3], line 1\n----> 0 code0()',
      'File /x/site-packages/lib/m1.py:7, in f(a)',
      'File /x/site-packages/lib/m2.py:7, in f(a)',
      'File /x/site-packages/lib/m3.py:7, in f(a)\n----> 3 code3()',
      'ValueError: bad value'
    ].join('\n')
  );
  assert.equal(cut, '');
});

test('a long traceback is cut in its middle', () => {
  const { text, cut } = readableTraceback(error(900), 150);
  assert.match(text, /^Cell In\[3\], line 1\n[^]*frames left out[^]*\nValueError: bad value$/);
  assert.match(cut, /^8\d\d frames of the traceback were left out\.$/);
});

test('an error without a traceback is its message', () => {
  const bare = { output_type: 'error', ename: 'E', evalue: 'why', traceback: [] };
  assert.equal(readableTraceback(bare, 100).text, 'E: why');
});

test('a cell that raised is its code and its error, each a chip', () => {
  const cell = {
    cell_type: 'code',
    source: 'f()',
    execution_count: 3,
    outputs: [stream('hi\n'), error(2)],
    metadata: {}
  };
  const placed = { cell, number: 2, language: 'python' };
  const attachments = cellAttachments(placed, 1000, { source: true, outputs: true });
  assert.deepEqual(
    attachments.map(({ kind, title, language }) => [kind, title, language]),
    [
      ['cell', 'Cell 2 [3]', 'python'],
      ['error', 'Error of Cell 2 [3]', ''],
      ['output', 'Output of Cell 2 [3]', '']
    ]
  );
  assert.match(attachments[1].text, /ValueError: bad value$/);
  assert.deepEqual(
    cellAttachments(placed, 1000, { source: false, outputs: true }).map(({ kind }) => kind),
    ['error', 'output']
  );
});

test('an interruption is no error to fix', () => {
  assert.equal(isIntended({ ename: 'KeyboardInterrupt', evalue: '' }), true);
  assert.equal(isIntended({ ename: 'InterruptException', evalue: '' }), true);
  assert.equal(isIntended({ ename: 'SystemExit', evalue: '1' }), true);
  assert.equal(isIntended(error(1)), false);
});
