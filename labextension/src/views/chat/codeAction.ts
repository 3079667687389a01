/** A button above a block of code in an answer, such as the one that inserts it into a notebook. */

import type { IconName } from '../icons.js';

export interface CodeAction {
  readonly id: string;
  readonly label: string;
  readonly icon: IconName;
  isEnabled(): boolean;
  /** Return the tooltip: what a click would change, or why there is nothing to change. */
  describe(): string;
  /** Call `listener` when `isEnabled` or `describe` may return something else. */
  onChange(listener: () => void): () => void;
  /** Called on a click. Rejects with a reason to show. */
  run(code: string, language: string): Promise<void>;
}
