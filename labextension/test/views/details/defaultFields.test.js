import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  changesOf,
  fieldText,
  fieldValue,
  parametersFor
} from '../../../lib/views/details/defaultFields.js';

test('changes have what was set, changed and removed', () => {
  const before = { temperature: 0.5, top_k: 40, stop: ['a'], seed: 1 };
  const fields = { temperature: '0.7', stop: '["a"]', seed: '1', num_ctx: '4096' };
  assert.deepEqual(changesOf(before, fields), { top_k: null, temperature: 0.7, num_ctx: 4096 });
  const same = { temperature: '0.5', top_k: '40', stop: '["a"]', seed: '1' };
  assert.deepEqual(changesOf(before, same), {});
});

test('values survive their field', () => {
  for (const [name, value] of [
    ['temperature', 0.25],
    ['seed', -1],
    ['use_mmap', false],
    ['system', 'true'],
    ['system', '"quoted"\nlines'],
    ['keep_alive', '5m'],
    ['stop', 'END'],
    ['stop', ['a', 'b']],
    ['tensor_split', [0.5, 1]],
    ['of_a_newer_server', { a: 1 }]
  ]) {
    assert.deepEqual(fieldValue(name, fieldText(name, value)), value, name);
  }
});

test('what is no number is sent as it is, so that the server says what is wrong', () => {
  assert.equal(fieldValue('top_k', 'many'), 'many');
  assert.equal(fieldValue('top_k', ''), '');
});

test('only parameters with an effect are offered', () => {
  const of = (format, ...capabilities) => parametersFor({ id: 'm', format, capabilities });
  assert.ok(of('gguf', 'completion').includes('num_ctx'));
  assert.ok(!of('gguf', 'completion').includes('isq'));
  assert.ok(of('safetensors', 'completion').includes('isq'));
  assert.ok(of('remote', 'completion').includes('temperature'));
  assert.ok(!of('remote', 'completion').includes('num_ctx'));
  const encoder = of('huggingface', 'embeddings');
  assert.ok(encoder.includes('keep_alive') && encoder.includes('num_thread'));
  assert.ok(!encoder.includes('temperature') && !encoder.includes('chat_template'));
});
