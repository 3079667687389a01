/** What a user may choose, as `schema/plugin.json` has it. */

import type { ColumnKey } from './columns.js';

export interface Settings {
  /** Where the panel is. */
  readonly area: 'main' | 'left' | 'right';
  readonly statusBar: boolean;
  readonly hiddenColumns: readonly ColumnKey[];
}

/** Of a JupyterLab without a registry of settings. */
export const DEFAULTS: Settings = { area: 'main', statusBar: true, hiddenColumns: [] };
