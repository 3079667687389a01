import assert from 'node:assert/strict';
import { test } from 'node:test';

import { estimateTokens } from '../../../lib/lab/context/cutting.js';
import {
  listingFrom,
  variablesAttachment,
  variablesText
} from '../../../lib/lab/context/variableText.js';

const table = ['\ta (int64)', ...Array.from({ length: 5 }, (_, i) => `${i}\t${i}`)].join('\n');
const frame = { name: 'df', type: 'pandas.DataFrame', size: '9 rows x 1 columns', text: table };
const number = { name: 'n', type: 'int', size: '', text: '5' };
const object = { name: 'o', type: 'Thing', size: '', text: '' };

test('variables are lines, and tables follow their line', () => {
  const { text, cut } = variablesText([number, object, frame], 1000);
  assert.equal(text, `n: int = 5\no: Thing\ndf: pandas.DataFrame, 9 rows x 1 columns\n${table}`);
  assert.equal(cut, '');
});

test('rows are left out first, then values, then variables', () => {
  const all = [number, frame, { ...frame, name: 'last' }];
  const whole = estimateTokens(variablesText(all, 1000).text);
  const rows = variablesText(all, whole - 1);
  assert.match(
    rows.text,
    /4\t4\nlast: pandas.DataFrame, 9 rows x 1 columns\n\ta \(int64\)\n0\t0\n\.\.\.$/
  );
  assert.equal(rows.cut, 'A value was shortened.');
  const values = variablesText(all, 45);
  assert.equal(values.text.split('\n').at(-1), 'last: pandas.DataFrame, 9 rows x 1 columns');
  const names = variablesText(all, 20);
  assert.equal(names.text, 'n: int\ndf: pandas.DataFrame, 9 rows x 1 columns');
  assert.match(names.cut, /There was no room for last\.$/);
  assert.equal(variablesText(all, 0).text, '');
});

test('the chip says what is not sent', () => {
  const listing = { variables: [number, frame], secrets: ['token', 'password'], more: 3 };
  const chip = variablesAttachment(listing, 'df.plot()', 1000);
  assert.equal(chip.title, 'Variables (2)');
  assert.match(chip.text, /^df: [^]*\nn: int = 5$/); // those of the cell come first
  assert.equal(
    chip.cut,
    '3 more were left out. Not sent, because they may be secrets: token, password.'
  );
  const names = Array.from({ length: 20 }, (_, i) => `key${i}`);
  const { cut } = variablesAttachment({ ...listing, secrets: names, more: 0 }, '', 1000);
  assert.match(cut, /secrets: key0, key1, key2, key3, key4 and 15 more\.$/);
});

test('a reply of another form is refused', () => {
  for (const reply of [undefined, null, {}, { variables: 'x', secrets: [] }]) {
    assert.throws(() => listingFrom(reply), /could not list/);
  }
  assert.deepEqual(listingFrom({ variables: [number], secrets: [], more: 0 }).variables, [number]);
});
