import assert from 'node:assert/strict';
import { test } from 'node:test';

import { proposalFacts, proposedModel } from '../../../lib/views/chat/emptyChat.js';

/** A model as the server recommends it, all of which say what they need. */
function recommended(title, changes = {}) {
  const { fit = 'memory', ...others } = changes;
  return {
    title,
    reference: `owner/${title}:Q4_K_M`,
    good_for: 'A first try',
    needs: '2 GB of free memory',
    license: 'mit',
    default: false,
    capabilities: ['chat'],
    variants: [
      { reference: `owner/${title}:Q8_0`, size_bytes: 2e9, file_count: 1, fit, recommended: false },
      { reference: `owner/${title}:Q4_K_M`, size_bytes: 1e9, file_count: 1, fit, recommended: true }
    ],
    ...others
  };
}

test('the model for a first try is proposed if it fits', () => {
  const small = recommended('small');
  const first = recommended('first', { default: true });
  assert.equal(proposedModel([small, first]), first);
});

test('a model that fits is proposed instead of one that does not', () => {
  const first = recommended('first', { default: true, fit: 'too_large' });
  const small = recommended('small');
  assert.equal(proposedModel([first, small]), small);
  assert.equal(proposedModel([first]), first);
});

test('only models that chat are proposed', () => {
  const embedding = recommended('embedding', { default: true, capabilities: ['embeddings'] });
  assert.equal(proposedModel([embedding]), undefined);
});

test('a proposal says the size of the variant that is pulled, and whether it fits', () => {
  assert.deepEqual(proposalFacts(recommended('a')), [
    'A first try',
    '1.0 GB',
    'Fits in memory',
    'mit'
  ]);
});
