/** The columns of the model table, and how models are filtered and sorted. */

import { formatBytes, formatCount, formatDuration, formatPercent } from './format.js';
import type { Model } from '../api/types.js';

export type ColumnKey =
  'name' | 'format' | 'size' | 'parameters' | 'context' | 'state' | 'memory' | 'used';

export interface Column {
  readonly key: ColumnKey;
  readonly title: string;
  readonly numeric: boolean;
  /** Text of a cell; `now` is in Unix seconds. */
  readonly text: (model: Model, now: number) => string;
  /** Sort key. */
  readonly order: (model: Model) => string | number;
}

export interface Sorting {
  readonly key: ColumnKey;
  readonly descending: boolean;
}

export const COLUMNS: readonly Column[] = [
  {
    key: 'name',
    title: 'Name',
    numeric: false,
    text: model => model.id,
    order: model => model.id.toLowerCase()
  },
  { key: 'format', title: 'Format', numeric: false, text: formatText, order: formatText },
  {
    key: 'size',
    title: 'Disk',
    numeric: true,
    text: model => (model.size_bytes ? formatBytes(model.size_bytes) : ''),
    order: model => model.size_bytes ?? 0
  },
  {
    key: 'parameters',
    title: 'Parameters',
    numeric: true,
    text: model => formatCount(model.parameters?.parameter_count),
    order: model => model.parameters?.parameter_count ?? 0
  },
  {
    key: 'context',
    title: 'Context',
    numeric: true,
    text: contextText,
    order: model => model.num_ctx ?? model.context_length ?? 0
  },
  { key: 'state', title: 'State', numeric: false, text: stateText, order: stateOrder },
  {
    key: 'memory',
    title: 'Memory',
    numeric: true,
    text: memoryText,
    order: model => model.memory_bytes ?? 0
  },
  {
    key: 'used',
    title: 'Last used',
    numeric: true,
    text: (model, now) =>
      model.last_used_at === undefined ? '' : `${formatDuration(now - model.last_used_at)} ago`,
    order: model => model.last_used_at ?? 0
  }
];

function formatText(model: Model): string {
  return [model.format, model.parameters?.quantization].filter(Boolean).join(' ');
}

/** Return the context window in tokens: "8192", or "4096 of 8192" if loaded with less. */
function contextText({ num_ctx, context_length }: Model): string {
  if (num_ctx !== undefined && context_length !== undefined && num_ctx !== context_length) {
    return `${num_ctx} of ${context_length}`;
  }
  return String(num_ctx ?? context_length ?? '');
}

/** Return the state of a model: "loaded, 4 min left", "converting 40%". */
export function stateText(model: Model, now: number): string {
  if (model.state === 'loading') {
    const percent = model.progress === undefined ? '' : ` ${formatPercent(model.progress)}`;
    return `${model.phase ?? 'loading'}${percent}`;
  }
  if (model.pinned) {
    return model.state === 'unloaded' ? 'pinned, unloaded' : `${model.state}, pinned`;
  }
  if (model.state === 'loaded' && model.expires_at !== undefined) {
    return `loaded, ${formatDuration(model.expires_at - now)} left`;
  }
  return model.state;
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

/** Return the models that match every word of `filter`, sorted, with ties sorted by name. */
export function arrange(models: Iterable<Model>, sorting: Sorting, filter: string): Model[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const order = COLUMNS.find(({ key }) => key === sorting.key)?.order ?? (model => model.id);
  const sign = sorting.descending ? -1 : 1;
  return [...models]
    .filter(model => {
      const text = `${model.id} ${formatText(model)} ${model.state}`.toLowerCase();
      return words.every(word => text.includes(word));
    })
    .sort((a, b) => sign * compare(order(a), order(b)) || compare(a.id, b.id));
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
