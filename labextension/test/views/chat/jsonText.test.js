import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fieldsOf, indented } from '../../../lib/views/chat/jsonText.js';

test('the fields of an object are one line each, and its numbers as they are written', () => {
  const text = '{"a":\n1.50,"b" :[1,{"c":"x, \\"}"}, {}],"id":12345678901234567890,"é":"\\u00e9"}';
  assert.deepEqual(
    [...fieldsOf(text)],
    [
      ['a', '1.50'],
      ['b', '[1, {"c": "x, \\"}"}, {}]'],
      ['id', '12345678901234567890'],
      ['é', '"é"']
    ]
  );
  assert.deepEqual([...fieldsOf(' {} ')], []);
  assert.deepEqual([...fieldsOf('{"a": 1, "a": 2}')], [['a', '2']]);
  for (const other of ['', '[1]', '"{"', '7', 'null', '{"a": ', '{a: 1}', '['.repeat(1e5)]) {
    assert.equal(fieldsOf(other), null, other.slice(0, 10));
  }
});

test('JSON has line breaks, and other text stays as it is', () => {
  const value = { a: [1, { b: null }, [], {}], 'c d': 'x\n"{y}', e: {}, f: [[]] };
  for (const part of [value, [value], 'a', 7, true, null, [], {}]) {
    assert.equal(indented(JSON.stringify(part)), JSON.stringify(part, null, 2));
  }
  assert.equal(indented('{"id":12345678901234567890}'), '{\n  "id": 12345678901234567890\n}');
  for (const other of ['', 'x = 1', '{"a": ', '{a: 1}']) {
    assert.equal(indented(other), other);
  }
});
