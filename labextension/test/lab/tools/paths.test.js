import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readablePath } from '../../../lib/lab/tools/paths.js';

test('paths are below the root, in one form', () => {
  for (const path of ['a/b.txt', '/a/b.txt', './a//b.txt', 'a/./b.txt/']) {
    assert.equal(readablePath(path), 'a/b.txt');
  }
  assert.equal(readablePath(''), '');
});

test('paths that lead elsewhere, and hidden ones, are refused', () => {
  for (const path of [
    '..',
    'a/../../b',
    '/../etc',
    'a\\..\\b',
    'a\0b',
    's3:bucket',
    'RTC:a',
    '.env',
    'a/.git/config'
  ]) {
    assert.throws(() => readablePath(path), Error, path);
  }
});

test('a path that is too long to be read by a person is refused', () => {
  assert.throws(() => readablePath('a'.repeat(1_001)), /more than 1000 characters/);
});
