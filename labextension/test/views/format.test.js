import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatSeconds,
  formatTokens
} from '../../lib/views/format.js';

test('sizes have one decimal below 100 and none above', () => {
  const sizes = { 0: '0 B', 999: '999 B', 1000: '1.0 kB', 98_120_000: '98.1 MB' };
  for (const [bytes, text] of Object.entries(sizes)) {
    assert.equal(formatBytes(Number(bytes)), text);
  }
  assert.equal(formatBytes(119_600_000), '120 MB');
  assert.equal(formatBytes(999_600), '1.0 MB');
  assert.equal(formatBytes(1_204_000_000), '1.2 GB');
  assert.equal(formatBytes(5e15), '5000 TB');
});

test('durations use the largest unit', () => {
  assert.equal(formatDuration(-3), '0 s');
  assert.equal(formatDuration(59.4), '59 s');
  assert.equal(formatDuration(59.6), '1 min');
  assert.equal(formatDuration(290), '5 min');
  assert.equal(formatDuration(3590), '1 h');
  assert.equal(formatDuration(7200), '2 h');
  assert.equal(formatDuration(86_300), '1 d');
  assert.equal(formatDuration(3 * 86400), '3 d');
});

test('parameter counts are abbreviated', () => {
  const counts = { 999: '999', 134_515_008: '135 M', 7_600_000_000: '7.6 B', 1000: '1.0 k' };
  for (const [count, text] of Object.entries(counts)) {
    assert.equal(formatCount(Number(count)), text);
  }
  assert.equal(formatCount(undefined), '');
  assert.equal(formatCount(999_600), '1.0 M');
});

test('percentages are rounded down', () => {
  assert.equal(formatPercent(0), '0%');
  assert.equal(formatPercent(0.425), '42%');
  assert.equal(formatPercent(0.999), '99%');
  assert.equal(formatPercent(1), '100%');
});

// The same numbers as in tests/unit/magics/test_render.py.
test('tokens, rates and times', () => {
  const tokens = { 0: '0', 999: '999', 1712: '1.7k', 8192: '8.2k', 131_072: '131k' };
  for (const [count, text] of Object.entries(tokens)) {
    assert.equal(formatTokens(Number(count)), text);
  }
  const rates = [0, 0.05, 0.25, 9.94, 9.95, 44.5, 1333.3].map(formatRate);
  const expected = ['<0.1', '0.1', '0.3', '9.9', '10', '45', '1,333'];
  assert.deepEqual(
    rates,
    expected.map(text => `${text} tokens/s`)
  );
  const seconds = [0.04, 0.15, 9.94, 9.95, 59.6].map(formatSeconds);
  assert.deepEqual(seconds, ['<0.1 s', '0.2 s', '9.9 s', '10 s', '1 min']);
});
