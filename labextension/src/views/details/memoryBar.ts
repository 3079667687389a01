/** How much memory the models of the server use. */

import type { Store } from '../../state/store.js';
import { h, setText } from '../dom.js';
import { memorySummary } from '../summary.js';

export class MemoryBar {
  readonly element = h('div', { class: 'a3s-memory' });
  private readonly unsubscribe: () => void;

  constructor(store: Store) {
    this.unsubscribe = store.subscribe(({ models }) =>
      setText(this.element, memorySummary(models))
    );
  }

  dispose(): void {
    this.unsubscribe();
  }
}
