import assert from 'node:assert/strict';
import { test } from 'node:test';

import { statusSentence, statusText } from '../../lib/views/statusText.js';

const state = (models, pulls = []) => ({
  models: new Map(models.map(model => [model.id, { pinned: false, ...model }])),
  pulls: new Map(pulls.map(pull => [pull.name, pull]))
});
const sentence = (...lists) => statusSentence(statusText(state(...lists)));

const loaded = { id: 'smollm2', state: 'loaded', memory_bytes: 120e6 };
const busy = { id: 'gemma', state: 'busy', memory_bytes: 240e6, tokens_per_second: 45.2 };
const loading = { id: 'qwen', state: 'loading', progress: 0.409 };
const pull = { name: 'p', status: 'pulling', completed: 1, total: 4 };

test('there is nothing to show without models in memory and pulls', () => {
  const idle = [
    { id: 'a', state: 'unloaded' },
    { id: 'b', state: 'failed' }
  ];
  const ended = ['paused', 'failed', 'done', 'cancelled'].map(status => ({ name: status, status }));
  assert.deepEqual(statusText(state(idle, ended)), { models: null, pulls: null });
});

test('one model has its name, several have their number', () => {
  assert.equal(sentence([loaded]), 'smollm2 120 MB');
  assert.equal(sentence([{ id: 'far', state: 'loaded' }]), 'far');
  assert.equal(sentence([loaded, { ...loaded, id: 'b' }]), '2 models 240 MB');
});

test('the value is the progress of a load, or the speed of answers, or the memory', () => {
  assert.equal(sentence([loading]), 'qwen 40%');
  assert.equal(sentence([loading, busy]), '2 models 40%');
  assert.equal(sentence([{ id: 'qwen', state: 'loading' }]), 'qwen …');
  assert.equal(sentence([busy]), 'gemma 45 tokens/s');
  assert.equal(sentence([busy, { ...busy, id: 'b' }, loaded]), '3 models 90 tokens/s');
  assert.equal(sentence([{ ...busy, tokens_per_second: undefined }]), 'gemma busy');
});

test('pulls have a percentage of their own', () => {
  assert.equal(sentence([loaded], [pull]), 'smollm2 120 MB, pulling p 25%');
  const large = { name: 'q', status: 'pulling', completed: 3, total: 12 };
  assert.equal(sentence([], [pull, large]), 'pulling 2 models 25%');
  assert.equal(sentence([], [{ name: 'r', status: 'pulling' }]), 'pulling r …');
});
