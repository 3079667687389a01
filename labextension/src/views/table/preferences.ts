/** How a user likes the table: kept by JupyterLab between page loads. */

import { COLUMNS, type ColumnKey, type Sorting } from './columns.js';

export interface TablePreferences {
  readonly sorting: Sorting;
  readonly filter: string;
  /** Widths in pixels of the columns that the user has resized. */
  readonly widths: Partial<Readonly<Record<ColumnKey, number>>>;
}

export const DEFAULT_PREFERENCES: TablePreferences = {
  sorting: { key: 'name', descending: false },
  filter: '',
  widths: {}
};

const MIN_WIDTH = 40;
const MAX_WIDTH = 1200;

/** Return `width` within the limits, in whole pixels. */
export function clampWidth(width: number): number {
  return Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, width)));
}

/** Return what is usable of a saved value, which may be of another version. */
export function readPreferences(value: unknown): TablePreferences {
  const saved = (value ?? {}) as {
    sorting?: { key?: unknown; descending?: unknown } | null;
    filter?: unknown;
    widths?: Record<string, unknown> | null;
  };
  const column = COLUMNS.find(({ key }) => key === saved.sorting?.key);
  const widths: Partial<Record<ColumnKey, number>> = {};
  for (const { key } of COLUMNS) {
    const width = saved.widths?.[key];
    if (typeof width === 'number' && Number.isFinite(width)) {
      widths[key] = clampWidth(width);
    }
  }
  return {
    sorting:
      column === undefined
        ? DEFAULT_PREFERENCES.sorting
        : { key: column.key, descending: saved.sorting?.descending === true },
    filter: typeof saved.filter === 'string' ? saved.filter : '',
    widths
  };
}
