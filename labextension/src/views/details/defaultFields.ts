/** The default parameters of a model as texts of fields, and the changes between two sets of them. */

import type { Model, Parameters } from '../../api/types.js';
import { generates, isLocal } from './loadOptions.js';

type Kind = 'integer' | 'number' | 'boolean' | 'text' | 'long' | 'json';

/** How a parameter is edited. `load` parameters apply from the next load on. */
export interface ParameterKind {
  readonly kind: Kind;
  readonly load?: boolean;
  readonly choices?: readonly string[];
}

const ISQ = ['Q4_0', 'Q4K', 'Q6K', 'Q8_0', 'HQQ4', 'HQQ8', 'none'];
const BOOLEAN = ['true', 'false'];
const integer: ParameterKind = { kind: 'integer' };
const number: ParameterKind = { kind: 'number' };
const loadInteger: ParameterKind = { kind: 'integer', load: true };
const loadBoolean: ParameterKind = { kind: 'boolean', load: true, choices: BOOLEAN };

/** All parameters, in the order in which they are offered. */
const PARAMETERS: Readonly<Record<string, ParameterKind>> = {
  temperature: number,
  top_p: number,
  top_k: integer,
  min_p: number,
  max_tokens: integer,
  system: { kind: 'long' },
  stop: { kind: 'json' },
  seed: integer,
  repeat_penalty: number,
  repeat_last_n: integer,
  presence_penalty: number,
  frequency_penalty: number,
  keep_alive: { kind: 'text' },
  num_ctx: loadInteger,
  num_parallel: loadInteger,
  num_gpu: loadInteger,
  kv_cache_type: { kind: 'text', load: true, choices: ['f32', 'f16', 'bf16', 'q8_0', 'q4_0'] },
  isq: { kind: 'text', load: true, choices: ISQ },
  num_batch: loadInteger,
  num_thread: loadInteger,
  main_gpu: loadInteger,
  tensor_split: { kind: 'json', load: true },
  flash_attention: loadBoolean,
  use_mlock: loadBoolean,
  use_mmap: loadBoolean,
  chat_template: { kind: 'long', load: true },
  typical_p: number,
  top_n_sigma: number,
  xtc_probability: number,
  xtc_threshold: number,
  dynatemp_range: number,
  dynatemp_exponent: number,
  mirostat: { kind: 'integer', choices: ['0', '1', '2'] },
  mirostat_tau: number,
  mirostat_eta: number,
  dry_multiplier: number,
  dry_base: number,
  dry_allowed_length: integer,
  dry_penalty_last_n: integer,
  dry_sequence_breakers: { kind: 'json' }
};

/** Return how a parameter is edited. Those of newer servers are edited as JSON. */
export function kindOf(name: string): ParameterKind {
  return PARAMETERS[name] ?? { kind: 'json' };
}

/** Return the names of the parameters that have an effect on a model. */
export function parametersFor(model: Model): string[] {
  return Object.entries(PARAMETERS)
    .filter(([name, { load = false }]) => {
      if (name === 'keep_alive') {
        return true;
      }
      if (load && (!isLocal(model) || (name === 'isq' && model.format === 'gguf'))) {
        return false;
      }
      return generates(model) || (load && name !== 'chat_template');
    })
    .map(([name]) => name);
}

/** Return the text of a value in its field. */
export function fieldText(name: string, value: unknown): string {
  const { kind } = kindOf(name);
  return typeof value === 'string' && kind !== 'json' ? value : JSON.stringify(value);
}

/** Return the value of a text. What is not of its kind is sent as it is, and refused by the server. */
export function fieldValue(name: string, text: string): unknown {
  const { kind } = kindOf(name);
  if (kind === 'text' || kind === 'long') {
    return text;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Return what turns `before` into the texts of the fields: null removes a parameter. */
export function changesOf(
  before: Parameters,
  fields: Readonly<Record<string, string>>
): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const name of Object.keys(before)) {
    if (!(name in fields)) {
      changes[name] = null;
    }
  }
  for (const [name, text] of Object.entries(fields)) {
    if (!(name in before) || fieldText(name, before[name]) !== text) {
      changes[name] = fieldValue(name, text);
    }
  }
  return changes;
}
