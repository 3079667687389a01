/** The user settings of the extension, defined in `schema/plugin.json`. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { ColumnKey } from '../views/table/columns.js';

export interface Settings {
  /** Where the panel is placed. */
  readonly area: 'main' | 'left' | 'right';
  /** Whether the status bar item is shown. */
  readonly statusBar: boolean;
  /** Columns to hide in the panel. */
  readonly hiddenColumns: readonly ColumnKey[];
}

export const DEFAULTS: Settings = { area: 'main', statusBar: true, hiddenColumns: [] };

/** Call `apply` with the settings of a plugin, now and after each change. */
export async function watchSettings(
  registry: ISettingRegistry | null,
  pluginId: string,
  apply: (settings: Settings) => void
): Promise<void> {
  if (registry === null) {
    apply(DEFAULTS);
    return;
  }
  const settings = await registry.load(pluginId);
  const onChange = () => apply(settings.composite as unknown as Settings);
  settings.changed.connect(onChange);
  onChange();
}
