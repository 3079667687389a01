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

const DEFAULTS: Settings = { area: 'main', statusBar: true, hiddenColumns: [] };

/** Load the settings of a plugin, and call `onChange` after each change. */
export async function loadSettings(
  registry: ISettingRegistry | null,
  pluginId: string,
  onChange: (settings: Settings) => void
): Promise<Settings> {
  if (registry === null) {
    return DEFAULTS;
  }
  const settings = await registry.load(pluginId);
  const read = () => settings.composite as unknown as Settings;
  settings.changed.connect(() => onChange(read()));
  return read();
}
