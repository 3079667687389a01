import assert from 'node:assert/strict';
import { test } from 'node:test';

import { splitAtAddresses } from '../../../lib/views/find/links.js';

test('a text is split at its web addresses, without the punctuation behind them', () => {
  assert.deepEqual(splitAtAddresses('Request access at https://hf.co/a/b, then pull.'), [
    'Request access at ',
    'https://hf.co/a/b',
    ', then pull.'
  ]);
  assert.deepEqual(splitAtAddresses('(http://a.b/c).'), ['(', 'http://a.b/c', ').']);
});

test('other texts and schemes have no addresses', () => {
  assert.deepEqual(splitAtAddresses('Nothing.'), ['Nothing.']);
  assert.deepEqual(splitAtAddresses('javascript:alert(1)'), ['javascript:alert(1)']);
  assert.deepEqual(splitAtAddresses(''), ['']);
});
