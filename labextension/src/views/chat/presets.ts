/** Named parameters of conversations. JupyterLab keeps them on the server; a widget has none. */

import type { Parameters } from './chatCompletion.js';

export interface Preset {
  readonly name: string;
  readonly parameters: Parameters;
}

export interface Presets {
  list(): readonly Preset[];
  /** Call `listener` when the presets have changed. */
  onChange(listener: () => void): () => void;
  /** Save parameters under a name, in place of those it had. Rejects with a reason to show. */
  save(preset: Preset): Promise<void>;
  /** Open the place where presets are renamed and deleted. */
  readonly manage?: () => void;
}
