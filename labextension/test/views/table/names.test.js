import assert from 'node:assert/strict';
import { test } from 'node:test';

import { divideName } from '../../../lib/views/table/names.js';

test('the tag of a long name, or its last characters, are the end', () => {
  assert.deepEqual(divideName('unsloth/Qwen3-4B-Instruct-GGUF:Q4_K_M'), [
    'unsloth/Qwen3-4B-Instruct-GGUF',
    ':Q4_K_M'
  ]);
  assert.deepEqual(divideName('a-very-long-name-without-tag'), [
    'a-very-long-name-with',
    'out-tag'
  ]);
  const longTag = 'name:a-tag-that-is-longer-than-the-rest';
  assert.deepEqual(divideName(longTag), [longTag.slice(0, -7), 'he-rest']);
});

test('short names and right-to-left names are not divided', () => {
  assert.deepEqual(divideName('smollm2:135m'), ['smollm2:135m', '']);
  const hebrew = '\u05d0'.repeat(40);
  assert.deepEqual(divideName(hebrew), [hebrew, '']);
});

test('no character is divided', () => {
  const family = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}';
  const [start, end] = divideName(family.repeat(25));
  assert.equal(start, family.repeat(18));
  assert.equal(end, family.repeat(7));
});
