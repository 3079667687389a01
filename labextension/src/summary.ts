/** How things are, in a line: for the status bar and its tooltip. */

import { formatBytes, formatDuration } from './format.js';
import { fraction } from './pulls.js';
import {
  loadedModels,
  loadingModels,
  type Model,
  type Models,
  type Pull,
  type State
} from './state.js';

/** The line in the status bar; empty when no model is loaded, being loaded or pulled. */
export function summary({ models, pulls }: State): string {
  const parts = [...pulls.values()].filter(({ status }) => status === 'pulling').map(pullingPart);
  parts.push(...loadingModels(models).map(loadingPart));
  const loaded = loadedModels(models);
  if (loaded.length > 0) {
    parts.push(loadedPart(loaded));
  }
  return parts.length > 0 ? `Power: ${parts.join(', ')}` : '';
}

function loadingPart(model: Model): string {
  const progress = model.progress === undefined ? '' : ` ${Math.floor(model.progress * 100)} %`;
  return `${model.phase ?? 'loading'} ${model.id}${progress}`;
}

function pullingPart(pull: Pull): string {
  const done = fraction(pull);
  return `pulling ${pull.name}${done === null ? '' : ` ${Math.floor(done * 100)} %`}`;
}

function loadedPart(loaded: readonly Model[]): string {
  const [first] = loaded;
  const name = loaded.length === 1 && first ? first.id : `${loaded.length} models`;
  const bytes = memoryOf(loaded);
  const parts = bytes > 0 ? [name, formatBytes(bytes)] : [name];
  if (loaded.some(model => model.state === 'busy')) {
    parts.push('busy');
  }
  return parts.join(' · ');
}

/** Bytes that the models hold together. */
function memoryOf(models: readonly Model[]): number {
  return models.reduce((sum, model) => sum + (model.memory_bytes ?? 0), 0);
}

/** "12 models, 2 in memory: 360 MB" */
export function inMemory(models: Models): string {
  const loaded = loadedModels(models);
  const bytes = memoryOf(loaded);
  const count = `${models.size} model${models.size === 1 ? '' : 's'}`;
  if (loaded.length === 0) {
    return `${count}, none in memory`;
  }
  return `${count}, ${loaded.length} in memory` + (bytes > 0 ? `: ${formatBytes(bytes)}` : '');
}

/** A loaded model in one line: "smollm2: idle, 120 MB, CPU, unloads in 4 min". */
export function describe(model: Model, now: number): string {
  const parts: string[] = [model.state === 'loaded' ? 'idle' : model.state];
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
