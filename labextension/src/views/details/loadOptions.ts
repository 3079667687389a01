/** The options of a load: their fields, and what the server says that the load would take. */

import type { Estimate, Model, Parameters } from '../../api/types.js';
import { formatBytes, formatNumber } from '../format.js';
import { trans } from '../i18n.js';
import { partsText } from './facts.js';

/** The context of llama.cpp is a multiple of so many tokens. */
const CONTEXT_STEP = 256;

export interface LoadOption {
  readonly name: string;
  readonly title: string;
  readonly hint: string;
  /** What an empty field means. */
  readonly automatic: string;
  /** Names of the values, if there are few. */
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
}

/** Whether a model can be loaded here at all. */
export function isLocal(model: Model): boolean {
  return model.format !== 'remote';
}

/** Whether a model generates text. The others only embed texts or rank documents. */
export function generates(model: Model): boolean {
  return (model.capabilities ?? []).includes('completion');
}

/** Return the options that have an effect on a model. */
export function loadOptions(model: Model, hasGpu: boolean): LoadOption[] {
  const trained = model.context_length;
  const options: (LoadOption | false)[] = [
    generates(model) && {
      name: 'num_ctx',
      title: trans.__('Context'),
      hint: trans.__('Tokens of a prompt and its answer'),
      automatic: trained ? formatNumber(Math.min(trained, 8192)) : trans.__('automatic'),
      min: 16,
      max: 16_777_216
    },
    generates(model) && {
      name: 'num_parallel',
      title: trans.__('Parallel requests'),
      hint: trans.__('With llama.cpp, they share the context'),
      automatic: trans.__('automatic'),
      min: 1,
      max: 64
    },
    hasGpu && {
      name: 'num_gpu',
      title: trans.__('GPU layers'),
      hint: trans.__('-1 for all, 0 for none'),
      automatic: trans.__('as many as fit'),
      min: -1,
      max: 9999
    },
    generates(model) && {
      name: 'kv_cache_type',
      title: trans.__('Cache type'),
      hint: trans.__('q8_0 halves the memory of the context'),
      automatic: 'f16',
      choices: ['f32', 'f16', 'bf16', 'q8_0', 'q4_0']
    },
    {
      name: 'keep_alive',
      title: trans.__('Keep loaded'),
      hint: trans.__('Idle time before it is unloaded: 5m, 0, -1 (never)'),
      automatic: '5m'
    }
  ];
  return options.filter(option => option !== false);
}

/** Return what an empty field of an option stands for. */
export function placeholder(option: LoadOption, defaults: Parameters = {}): string {
  const value = defaults[option.name];
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : option.automatic;
}

/** Return the body of a request to load or estimate. Empty fields are left out. */
export function loadBody(
  fields: Readonly<Record<string, string>>
): Record<string, string | number> {
  const body: Record<string, string | number> = {};
  for (const [name, text] of Object.entries(fields)) {
    const trimmed = text.trim();
    if (trimmed !== '') {
      // The server says what is wrong with anything else.
      body[name] = /^-?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
    }
  }
  return body;
}

/** Return what a load would take: "285 MB: weights 96.6 MB, cache 180 MB, buffers 8.4 MB, …". */
export function estimateText(estimate: Estimate): string {
  const parts = `${partsText(estimate)}, ${trans.__('process %1', formatBytes(estimate.other))}`;
  const gpu = estimate.gpu > 0 ? ` ${trans.__('%1 on GPUs.', formatBytes(estimate.gpu))}` : '';
  return `${formatBytes(estimate.total)}: ${parts}.${gpu}`;
}

/** Return whether a load would fit, in a sentence. */
export function verdict(estimate: Estimate): string {
  const free = formatBytes(estimate.free);
  if (!estimate.fits) {
    return trans.__('Too large: %1 is free.', free);
  }
  if (estimate.waits) {
    return trans.__('Fits once models in use are idle. %1 is free now.', free);
  }
  if (estimate.evicts.length > 0) {
    return trans.__('Fits after %1 is unloaded. %2 is free now.', estimate.evicts.join(', '), free);
  }
  return trans.__('Fits. %1 is free.', free);
}

/** Warn of a context that is longer than the one that a model was trained with; '' if it is not. */
export function beyondText(estimate: Estimate, { context_length: trained }: Model): string {
  const isBeyond = trained && estimate.num_ctx >= trained + CONTEXT_STEP;
  return isBeyond
    ? trans.__(
        'The model was trained with %1 tokens. Its answers get worse beyond them.',
        formatNumber(trained)
      )
    : '';
}

/** Return the label of the longest context that is useful: what fits, or what was trained. */
export function largestText(tokens: number, { context_length: trained }: Model): string {
  return tokens === trained
    ? trans.__('Trained context: %1', formatNumber(tokens))
    : trans.__('Largest context that fits: %1', formatNumber(tokens));
}
