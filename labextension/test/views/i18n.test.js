import assert from 'node:assert/strict';
import { test } from 'node:test';

import { trans, useTranslation } from '../../lib/views/i18n.js';

test('arguments replace the placeholders, also those with placeholders in them', () => {
  assert.equal(trans.__('Load %1 of %2', 'a%2', 2), 'Load a%2 of 2');
  assert.equal(trans._n('%1 model', '%1 models', 1), '1 model');
  assert.equal(trans._n('%1 model in %2', '%1 models in %2', 0, 'x'), '0 models in x');
});

test('the bundle of JupyterLab translates', () => {
  useTranslation({ __: text => `<${text}>`, _n: (one, many, n) => `<${n} ${many}>` });
  assert.equal(trans.__('Load'), '<Load>');
  assert.equal(trans._n('model', 'models', 2), '<2 models>');
});
