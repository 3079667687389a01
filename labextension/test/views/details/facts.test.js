import assert from 'node:assert/strict';
import { test } from 'node:test';

import { facts, parametersText } from '../../../lib/views/details/facts.js';

const named = (model, now = 0) => Object.fromEntries(facts({ id: 'm', ...model }, now));

test('facts that are unknown are left out', () => {
  assert.deepEqual(named({ state: 'unloaded' }), {});
});

test('the facts of a loaded model', () => {
  const found = named(
    {
      format: 'gguf',
      parameters: { family: 'llama', parameter_count: 135e6, quantization: 'Q4_K_M' },
      context_length: 8192,
      num_ctx: 4096,
      memory_bytes: 300e6,
      gpu_memory_bytes: 200e6,
      memory: { weights: 100e6, cache: 90e6, buffers: 10e6 },
      generation_defaults: { temperature: 0.6 },
      source: { path: '/models/m.gguf' },
      expires_at: 130
    },
    10
  );
  assert.equal(found.Family, 'llama');
  assert.equal(found.Parameters, '135 M');
  assert.equal(found.Context, '8,192 tokens trained, 4,096 loaded');
  assert.equal(
    found.Memory,
    '300 MB, 200 MB of it on GPUs, weights 100 MB, cache 90.0 MB, buffers 10.0 MB'
  );
  assert.equal(found['Defaults of its files'], 'temperature=0.6');
  assert.equal(found.File, '/models/m.gguf');
  assert.equal(found.Unloads, 'in 2 min');
});

test('a remote model has its upstream', () => {
  const upstream = { base_url: 'http://far:8000/v1', model: 'big' };
  assert.equal(named({ format: 'remote', upstream }).Upstream, 'big · http://far:8000/v1');
});

test('several upstreams have their states', () => {
  const urls = ['http://a/v1', 'http://b/v1'];
  const upstream = { base_url: urls, model: 'big' };
  assert.equal(named({ upstream }).Upstream, 'big · http://a/v1 · http://b/v1');
  const upstreams = [
    { base_url: urls[0], state: 'failed', requests_running: 0, failures: 3 },
    { base_url: urls[1], state: 'available', requests_running: 2, failures: 0 }
  ];
  assert.equal(
    named({ upstream, upstreams }).Upstream,
    'big · http://a/v1: failed · http://b/v1: available, 2 running'
  );
});

test('long parameters are cut', () => {
  const text = parametersText({ system: 'x'.repeat(500), stop: ['a', 'b'] });
  assert.ok(text.length < 100);
  assert.match(text, /…, stop=\["a","b"\]$/);
});
