import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  beyondText,
  estimateText,
  largestText,
  loadBody,
  loadOptions,
  placeholder,
  verdict
} from '../../../lib/views/details/loadOptions.js';

const names = (model, hasGpu) => loadOptions(model, hasGpu).map(({ name }) => name);
const chat = { id: 'm', format: 'gguf', capabilities: ['completion', 'chat'] };

const estimate = {
  total: 300e6,
  weights: 100e6,
  cache: 150e6,
  buffers: 30e6,
  other: 20e6,
  gpu: 0,
  free: 8e9,
  fits: true,
  evicts: [],
  waits: false
};

test('a model has the options that have an effect', () => {
  const all = ['num_ctx', 'num_parallel', 'num_gpu', 'kv_cache_type', 'keep_alive'];
  assert.deepEqual(names(chat, true), all);
  assert.ok(!names(chat, false).includes('num_gpu'));
  assert.deepEqual(names({ ...chat, capabilities: ['embeddings'] }, false), ['keep_alive']);
});

test('an empty field shows what it stands for', () => {
  const [context] = loadOptions({ ...chat, context_length: 131072 }, false);
  assert.equal(placeholder(context), '8,192');
  assert.equal(placeholder(context, { num_ctx: 2048 }), '2048');
});

test('empty fields are left out of the request', () => {
  const fields = { num_ctx: ' 4096 ', num_gpu: '-1', keep_alive: '5m', kv_cache_type: '', x: ' ' };
  assert.deepEqual(loadBody(fields), { num_ctx: 4096, num_gpu: -1, keep_alive: '5m' });
  assert.deepEqual(loadBody({ num_ctx: '1e3' }), { num_ctx: '1e3' }); // the server refuses it
});

test('the text of an estimate', () => {
  assert.equal(
    estimateText(estimate),
    '300 MB: weights 100 MB, cache 150 MB, buffers 30.0 MB, process 20.0 MB.'
  );
  assert.match(estimateText({ ...estimate, gpu: 200e6 }), /\. 200 MB on GPUs\.$/);
});

test('whether a load fits', () => {
  assert.equal(verdict(estimate), 'Fits. 8.0 GB is free.');
  assert.equal(
    verdict({ ...estimate, evicts: ['a', 'b'] }),
    'Fits after a, b is unloaded. 8.0 GB is free now.'
  );
  assert.match(verdict({ ...estimate, waits: true }), /once models in use are idle/);
  assert.equal(verdict({ ...estimate, fits: false }), 'Too large: 8.0 GB is free.');
});

test('a context beyond the trained one gets a warning', () => {
  const model = { ...chat, context_length: 2000 };
  const text = num_ctx => beyondText({ ...estimate, num_ctx }, model);
  assert.match(text(100_000), /^The model was trained with 2,000 tokens\. .* worse/);
  assert.equal(text(2048), ''); // 2,000, rounded up
  assert.equal(text(512), '');
  assert.equal(beyondText({ ...estimate, num_ctx: 100_000 }, chat), ''); // it is not known
});

test('the longest useful context is the trained one, or what fits', () => {
  const model = { ...chat, context_length: 8192 };
  assert.equal(largestText(8192, model), 'Trained context: 8,192');
  assert.equal(largestText(4096, model), 'Largest context that fits: 4,096');
  assert.equal(largestText(4096, chat), 'Largest context that fits: 4,096');
});
