/** One-line summaries of models and pulls, for the status bar. */

import type { Model, Pull } from '../api/types.js';
import { loadedModels, loadingModels, type State } from '../state/state.js';
import { requestsText, speedText } from './activity.js';
import { formatBytes, formatDuration, formatPercent } from './format.js';
import { fraction } from './pulls/pulls.js';

/** Return the text of the status bar item; empty if no model is loaded, loading or pulled. */
export function statusBarText({ models, pulls }: State): string {
  const running = [...pulls.values()].filter(({ status }) => status === 'pulling');
  const parts = [...running.map(pullText), ...loadingModels(models).map(loadingText)];
  const loaded = loadedModels(models);
  if (loaded.length > 0) {
    parts.push(loadedText(loaded));
  }
  return parts.length > 0 ? `Power: ${parts.join(', ')}` : '';
}

function pullText(pull: Pull): string {
  const progress = fraction(pull);
  return `pulling ${pull.name}${progress === null ? '' : ` ${formatPercent(progress)}`}`;
}

function loadingText(model: Model): string {
  const percent = model.progress === undefined ? '' : ` ${formatPercent(model.progress)}`;
  return `${model.phase ?? 'loading'} ${model.id}${percent}`;
}

function loadedText(loaded: readonly Model[]): string {
  const [first] = loaded;
  const name = loaded.length === 1 && first ? first.id : `${loaded.length} models`;
  const bytes = totalMemory(loaded);
  const parts = bytes > 0 ? [name, formatBytes(bytes)] : [name];
  if (loaded.some(model => model.state === 'busy')) {
    parts.push('busy');
  }
  return parts.join(' · ');
}

function totalMemory(models: readonly Model[]): number {
  return models.reduce((sum, model) => sum + (model.memory_bytes ?? 0), 0);
}

/** Describe a model that is loaded or loading: "smollm2: idle, 120 MB, CPU, unloads in 4 min". */
export function describeModel(model: Model, now: number): string {
  const parts: string[] = [model.state === 'loaded' ? 'idle' : model.state];
  parts.push(...[requestsText(model), speedText(model)].filter(Boolean));
  if (model.memory_bytes !== undefined) {
    parts.push(formatBytes(model.memory_bytes));
  }
  if (model.device !== undefined) {
    parts.push(model.device);
  }
  if (model.pinned) {
    parts.push('pinned');
  } else if (model.expires_at !== undefined) {
    parts.push(`unloads in ${formatDuration(model.expires_at - now)}`);
  }
  return `${model.id}: ${parts.join(', ')}`;
}
