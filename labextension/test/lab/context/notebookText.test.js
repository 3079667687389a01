import assert from 'node:assert/strict';
import { test } from 'node:test';

import { estimateTokens } from '../../../lib/lab/context/cutting.js';
import { neighbours, notebookText } from '../../../lib/lab/context/notebookText.js';

const stream = text => ({ output_type: 'stream', name: 'stdout', text });

function notebook(count, lines) {
  return Array.from({ length: count }, (_, i) => ({
    cell: {
      cell_type: 'code',
      source: Array.from({ length: lines }, (__, line) => `value_${i}_${line} = ${line}`).join(
        '\n'
      ),
      outputs: [stream(`printed by ${i}\n`)],
      execution_count: null,
      metadata: {}
    },
    number: i + 1,
    language: 'python'
  }));
}

test('a notebook that fits has its cells and outputs', () => {
  const cells = [
    {
      cell: { cell_type: 'markdown', source: ['# Title\n', 'text'], metadata: {} },
      number: 1,
      language: 'python'
    },
    ...notebook(1, 2)
  ];
  const { text, cut } = notebookText(cells, 0, 1000);
  assert.equal(
    text,
    '## Cell 1\n# Title\ntext\n## Cell 1\n```python\nvalue_0_0 = 0\nvalue_0_1 = 1\n```\n' +
      'Output:\n```\nprinted by 0\n```'
  );
  assert.equal(cut, '');
});

test('outputs are left out first, and far cells before near ones', () => {
  const cells = notebook(10, 4);
  const whole = estimateTokens(notebookText(cells, 4, 1e6).text);
  const some = notebookText(cells, 4, whole - 40);
  assert.match(some.cut, /^The outputs? of \d cells? (was|were) left out\.$/);
  assert.ok(some.text.includes('printed by 4') && !some.text.includes('printed by 9'));
  assert.ok(some.text.includes('value_9_3'));
  const outline = notebookText(cells, 4, whole / 2);
  assert.match(
    outline.cut,
    /The outputs of 10 cells were left out\. Only the first lines of \d cells are included/
  );
  assert.match(outline.text, /## Cell 10: value_9_0 = 0 \.\.\./);
  assert.ok(outline.text.includes('value_4_3'));
  assert.equal(notebookText(cells, 4, whole).cut, '');
  const least = notebookText(cells, 4, 150);
  assert.match(
    least.text,
    /^\[\.\.\. \d cells left out \.\.\.\][^]*value_4_0[^]*left out \.\.\.\]$/
  );
  assert.match(least.cut, /\d cells were left out\.$/);
});

test('the text never takes more than its tokens', () => {
  for (const tokens of [24, 60, 200, 700]) {
    for (const cells of [notebook(40, 3), notebook(2, 400), notebook(300, 1)]) {
      assert.ok(estimateTokens(notebookText(cells, 1, tokens).text) <= tokens + 12);
    }
  }
});

test('cells before and after are whole, and the nearest ones', () => {
  const cells = ['a = 1', 'b = 2', '', 'c = 3', 'd = 4', 'e = 5', 'f = 6'].map(source => ({
    type: 'code',
    source
  }));
  const sources = ({ before, after }) => [before.map(c => c.source), after.map(c => c.source)];
  assert.deepEqual(sources(neighbours(cells, 3, 1000)), [
    ['a = 1', 'b = 2'],
    ['d = 4', 'e = 5', 'f = 6']
  ]);
  assert.deepEqual(sources(neighbours(cells, 3, 15)), [['a = 1', 'b = 2'], ['d = 4']]);
  assert.deepEqual(sources(neighbours(cells, 0, 10)), [[], ['b = 2', 'c = 3']]);
  assert.deepEqual(sources(neighbours(cells, 3, 2)), [[], []]);
});
