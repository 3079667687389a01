/** What the views ask of the place that shows them. */

import type { Pull } from '../api/types.js';

/** Optional members exist only in JupyterLab. */
export interface PanelHost {
  /**
   * Start a pull. Resolves once it has begun, with `already_exists` if the model is already here.
   *
   * Rejects with a `RequestError`, which may have candidates, if the server does not accept the
   * reference or does not find the model.
   */
  pull(reference: string): Promise<Pull>;
  /** Copy a text to the clipboard. */
  copy(text: string): Promise<void>;
  /** Go back from adding models to the table. */
  close(): void;
  /** Open a chat with a model in a tab of its own. */
  openChat?(model: string): void;
  /** Let the user choose a file. Resolves with its path in the file browser, or null. */
  chooseFile?(): Promise<string | null>;
  /** Register models of the file browser. The paths are those that it drags. */
  registerFiles?(paths: readonly string[]): Promise<void>;
  /** Show a notification that outlives the view. */
  notify?(message: string, kind: 'info' | 'success' | 'warning' | 'error'): void;
}

/** The members of a host that JupyterLab provides. */
export type LabHost = Pick<PanelHost, 'openChat' | 'chooseFile' | 'registerFiles' | 'notify'>;
