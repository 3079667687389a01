/** Where attachments come from. JupyterLab provides the sources; a widget has none. */

import type { Attachment } from './attachment.js';

/** An entry of the menu that adds context to a question. */
export interface ContextSource {
  readonly id: string;
  /** Text of the entry, such as "Active cell". */
  readonly label: string;
  readonly kind: Attachment['kind'];
  /** Whether there is something to attach now. */
  isEnabled(): boolean;
  /**
   * Return what is attached, at most about `tokens` long in all, and nothing if the user cancels.
   *
   * The tokens are estimated; images do not count. Rejects with a reason to show, for instance if
   * nothing sensible fits.
   */
  collect(tokens: number): Promise<readonly Attachment[]>;
}

export interface ContextSources {
  /** Return what there is to attach now. Call it when the menu opens. */
  list(): readonly ContextSource[];
  /** Call `listener` when the sources or what they would attach has changed. */
  onChange(listener: () => void): () => void;
  /**
   * Return whether `drop` would attach what is dragged over the chat.
   *
   * `data` is the `mimeData` of JupyterLab's drag events: `lm-dragenter`, `lm-dragover`, `lm-drop`.
   */
  accepts(data: unknown): boolean;
  /** Return what is dropped on the chat, as `collect` does; null if it cannot be attached. */
  drop(data: unknown, tokens: number): Promise<readonly Attachment[]> | null;
}
