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
  /** Return what is attached, at most about `tokens` long each. Rejects with a reason to show. */
  collect(tokens: number): Promise<readonly Attachment[]>;
}

export interface ContextSources {
  list(): readonly ContextSource[];
  /** Call `listener` when the sources or what they would attach has changed. */
  onChange(listener: () => void): () => void;
  /** Return what is dropped on the chat; null if it is nothing that can be attached. */
  drop?(data: unknown): Promise<readonly Attachment[]> | null;
}
