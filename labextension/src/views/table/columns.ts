/** The columns of the model table, and how models are filtered and sorted. */

import type { Model } from '../../api/types.js';
import { isActive } from '../../state/state.js';
import {
  cacheDetails,
  cacheShare,
  cacheText,
  requestsText,
  speedText,
  warmText
} from '../activity.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent
} from '../format.js';
import { trans } from '../i18n.js';

export type ColumnKey =
  'name' | 'format' | 'size' | 'parameters' | 'context' | 'state' | 'memory' | 'used';

export interface Column {
  readonly key: ColumnKey;
  readonly title: () => string;
  readonly numeric: boolean;
  /** Text of a cell; `now` is in Unix seconds. */
  readonly text: (model: Model, now: number) => string;
  /** Sort key. */
  readonly order: (model: Model) => string | number;
  /** Length of the bar under the text, from 0 to 1; null for no bar. */
  readonly share?: (model: Model) => number | null;
  /** Tooltip. */
  readonly hint?: (model: Model) => string;
}

export interface Sorting {
  readonly key: ColumnKey;
  readonly descending: boolean;
}

export const COLUMNS: readonly Column[] = [
  {
    key: 'name',
    title: () => trans.__('Name'),
    numeric: false,
    text: model => model.id,
    order: model => model.id.toLowerCase()
  },
  {
    key: 'format',
    title: () => trans.__('Format'),
    numeric: false,
    text: formatText,
    order: formatText
  },
  {
    key: 'size',
    title: () => trans.__('Disk'),
    numeric: true,
    text: model => (model.size_bytes ? formatBytes(model.size_bytes) : ''),
    order: model => model.size_bytes ?? 0
  },
  {
    key: 'parameters',
    title: () => trans.__('Params'),
    numeric: true,
    text: model => formatCount(model.parameters?.parameter_count),
    order: model => model.parameters?.parameter_count ?? 0
  },
  {
    key: 'context',
    title: () => trans.__('Context'),
    numeric: true,
    text: contextText,
    order: model => model.num_ctx ?? model.context_length ?? 0,
    share: cacheShare,
    hint: contextHint
  },
  {
    key: 'state',
    title: () => trans.__('State'),
    numeric: false,
    text: stateText,
    order: stateOrder
  },
  {
    key: 'memory',
    title: () => trans.__('Memory'),
    numeric: true,
    text: memoryText,
    order: model => model.memory_bytes ?? 0,
    hint: warmText
  },
  {
    key: 'used',
    title: () => trans.__('Activity'),
    numeric: true,
    text: activityText,
    order: model => model.last_used_at ?? 0
  }
];

function formatText(model: Model): string {
  return [model.format, model.parameters?.quantization].filter(Boolean).join(' ');
}

/** Return the context window in tokens, "8192", or how much of it is in use: "1.7k of 8.2k". */
function contextText(model: Model): string {
  return cacheText(model) || String(model.num_ctx ?? model.context_length ?? '');
}

function contextHint(model: Model): string {
  const { num_ctx, context_length } = model;
  const parts = [cacheDetails(model)];
  if (num_ctx !== undefined && context_length !== undefined && num_ctx !== context_length) {
    parts.push(trans.__('the model supports %1', formatNumber(context_length)));
  }
  return parts.filter(Boolean).join('; ');
}

/** Return the speed of a busy model, "45 tokens/s", or when another one was used: "4 min ago". */
function activityText(model: Model, now: number): string {
  if (model.state === 'busy' || model.last_used_at === undefined) {
    return speedText(model);
  }
  return trans.__('%1 ago', formatDuration(now - model.last_used_at));
}

/** Return the state of a model: "loaded, 4 min left", "2 running, 1 waiting", "converting 40%". */
export function stateText(model: Model, now: number): string {
  const requests = requestsText(model);
  const state = model.state === 'busy' && requests ? requests : stateName(model);
  if (model.state === 'loading') {
    const percent = model.progress === undefined ? '' : ` ${formatPercent(model.progress)}`;
    return [`${state}${percent}`, requests].filter(Boolean).join(', ');
  }
  if (model.pinned) {
    return model.state === 'unloaded'
      ? trans.__('pinned, unloaded')
      : trans.__('%1, pinned', state);
  }
  if (model.state === 'loaded' && model.expires_at !== undefined) {
    return trans.__('loaded, %1 left', formatDuration(model.expires_at - now));
  }
  return state;
}

function stateName({ state, phase }: Model): string {
  const names = {
    unloaded: trans.__('unloaded'),
    loading: phase === 'converting' ? trans.__('converting') : trans.__('loading'),
    loaded: trans.__('loaded'),
    busy: trans.__('busy'),
    unloading: trans.__('unloading'),
    failed: trans.__('failed')
  };
  return names[state];
}

/** Return a sort key that puts models in memory first. */
function stateOrder(model: Model): number {
  return ['busy', 'loaded', 'loading', 'unloading', 'failed', 'unloaded'].indexOf(model.state);
}

function memoryText(model: Model): string {
  const parts = [];
  if (model.memory_bytes !== undefined) {
    parts.push(formatBytes(model.memory_bytes));
  }
  if (model.device !== undefined) {
    parts.push(model.device);
  }
  return parts.join(' · ');
}

/** Return the columns that have no text for any model. */
export function emptyColumns(models: Iterable<Model>): ColumnKey[] {
  const all = [...models];
  return COLUMNS.filter(({ text }) => !all.some(model => text(model, 0) !== '')).map(
    ({ key }) => key
  );
}

/**
 * Return the models that match every word of `filter`, sorted, with ties sorted by name.
 *
 * Models in memory and those being loaded come first.
 */
export function arrange(models: Iterable<Model>, sorting: Sorting, filter: string): Model[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const order = COLUMNS.find(({ key }) => key === sorting.key)?.order ?? (model => model.id);
  const sign = sorting.descending ? -1 : 1;
  return [...models]
    .filter(model => {
      // Nearly all models complete text and chat, so these words only search names.
      const special = model.capabilities?.filter(name => !['completion', 'chat'].includes(name));
      const facts = [model.id, formatText(model), model.state, ...(special ?? [])];
      const text = facts.join(' ').toLowerCase();
      return words.every(word => text.includes(word));
    })
    .sort(
      (a, b) =>
        Number(isActive(b)) - Number(isActive(a)) ||
        sign * compare(order(a), order(b)) ||
        compare(a.id, b.id)
    );
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
