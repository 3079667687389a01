/** Models in words: sizes, durations, the line in the status bar. */

import { loadedModels, loadingModels, type Model, type Models } from './events.js';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in powers of 1000, as `%power` shows them: "98.1 MB", "1.2 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would be rounded to four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Seconds in the largest whole unit, rounded: "45 s", "4 min", "2 h", "3 d". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.round(whole / 60)} min`;
  }
  return whole < 86400 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86400)} d`;
}

/** The line in the status bar; empty when no model is loaded or being loaded. */
export function summary(models: Models): string {
  const parts = loadingModels(models).map(loadingPart);
  const loaded = loadedModels(models);
  if (loaded.length > 0) {
    parts.push(loadedPart(loaded));
  }
  return parts.length > 0 ? `Power: ${parts.join(', ')}` : '';
}

function loadingPart(model: Model): string {
  const progress = model.progress === undefined ? '' : ` ${Math.floor(model.progress * 100)} %`;
  return `loading ${model.id}${progress}`;
}

function loadedPart(loaded: readonly Model[]): string {
  const [first] = loaded;
  const name = loaded.length === 1 && first ? first.id : `${loaded.length} models`;
  const bytes = loaded.reduce((sum, model) => sum + (model.memory_bytes ?? 0), 0);
  const parts = bytes > 0 ? [name, formatBytes(bytes)] : [name];
  if (loaded.some(model => model.state === 'busy')) {
    parts.push('busy');
  }
  return parts.join(' · ');
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
