import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  clampWidth,
  DEFAULT_PREFERENCES,
  readPreferences
} from '../../../lib/views/table/preferences.js';

test('saved preferences are read back', () => {
  const saved = {
    sorting: { key: 'size', descending: true },
    filter: 'qwen',
    widths: { name: 300, state: 90 }
  };
  assert.deepEqual(readPreferences(JSON.parse(JSON.stringify(saved))), saved);
});

test('what another version has saved is left out', () => {
  for (const saved of [undefined, null, 7, 'x', {}, { sorting: null, widths: null, filter: 3 }]) {
    assert.deepEqual(readPreferences(saved), DEFAULT_PREFERENCES);
  }
  const odd = { sorting: { key: 'age' }, filter: 'a', widths: { name: 'wide', size: 5, age: 9 } };
  const { sorting } = DEFAULT_PREFERENCES;
  assert.deepEqual(readPreferences(odd), { sorting, filter: 'a', widths: { size: 40 } });
});

test('widths are whole pixels within limits', () => {
  assert.equal(clampWidth(-3), 40);
  assert.equal(clampWidth(120.6), 121);
  assert.equal(clampWidth(1e9), 1200);
});
