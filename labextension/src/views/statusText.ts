/** The text of the status bar item: models in memory, and pulls. */

import type { Model, Pull } from '../api/types.js';
import { loadedModels, loadingModels, type State } from '../state/state.js';
import { formatBytes, formatPercent, formatRate } from './format.js';
import { trans } from './i18n.js';
import { fraction } from './pulls/pulls.js';

/** A name, and a value whose text changes all the time. */
export interface StatusPart {
  readonly name: string;
  readonly value: string;
}

export interface StatusText {
  /** The models that are loaded or being loaded; null if there are none. */
  readonly models: StatusPart | null;
  /** The pulls that are running; null if there are none. */
  readonly pulls: StatusPart | null;
}

/** Return the parts of the status bar item. */
export function statusText({ models, pulls }: State): StatusText {
  const running = [...pulls.values()].filter(({ status }) => status === 'pulling');
  return {
    models: modelsPart(loadedModels(models), loadingModels(models)),
    pulls: running.length === 0 ? null : pullsPart(running)
  };
}

/** Return the parts as one sentence for screen readers. */
export function statusSentence({ models, pulls }: StatusText): string {
  const parts = [
    models && `${models.name} ${models.value}`.trim(),
    pulls && trans.__('pulling %1', `${pulls.name} ${pulls.value}`.trim())
  ];
  return parts.filter(Boolean).join(', ');
}

function modelsPart(loaded: readonly Model[], loading: readonly Model[]): StatusPart | null {
  const [first] = [...loading, ...loaded];
  if (first === undefined) {
    return null;
  }
  const count = loaded.length + loading.length;
  const name = count === 1 ? first.id : trans._n('%1 model', '%1 models', count);
  return { name, value: loadingText(loading) || speedText(loaded) || memoryText(loaded) };
}

/** Return the progress of the model that is loaded first: "40%". */
function loadingText([first]: readonly Model[]): string {
  return first === undefined ? '' : first.progress ? formatPercent(first.progress) : '…';
}

/** Return the speed of all models that generate: "45 tokens/s"; "busy" before the first tokens. */
function speedText(loaded: readonly Model[]): string {
  const busy = loaded.filter(model => model.state === 'busy');
  const speed = busy.reduce((sum, model) => sum + (model.tokens_per_second ?? 0), 0);
  return speed > 0 ? formatRate(speed) : busy.length > 0 ? trans.__('busy') : '';
}

function memoryText(loaded: readonly Model[]): string {
  const bytes = loaded.reduce((sum, model) => sum + (model.memory_bytes ?? 0), 0);
  return bytes > 0 ? formatBytes(bytes) : '';
}

/** Return the name of the only pull, or their number, and the progress of all together. */
function pullsPart(running: readonly Pull[]): StatusPart {
  const [first] = running;
  const name =
    running.length === 1 && first ? first.name : trans._n('%1 model', '%1 models', running.length);
  const sized = running.filter(pull => fraction(pull) !== null);
  const total = sized.reduce((sum, pull) => sum + (pull.total ?? 0), 0);
  const completed = sized.reduce((sum, pull) => sum + (pull.completed ?? 0), 0);
  return { name, value: total > 0 ? formatPercent(Math.min(1, completed / total)) : '…' };
}
