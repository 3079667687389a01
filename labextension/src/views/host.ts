/** What the views ask of the place that shows them. */

/** Optional members exist only in JupyterLab. */
export interface PanelHost {
  /** Start a pull. Rejects with a `RequestError` if the server does not accept the reference. */
  pull(reference: string): Promise<void>;
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
