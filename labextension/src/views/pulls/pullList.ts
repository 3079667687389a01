/** The unfinished pulls of the server, and those that ended in view, until they are dismissed. */

import type { Pull } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { h } from '../dom.js';
import { trans } from '../i18n.js';
import { PullView } from './pullView.js';
import { PullSelection } from './pullSelection.js';
import { startPull } from './startPull.js';

interface Item {
  readonly view: PullView;
  readonly element: HTMLElement;
}

export class PullList {
  readonly element = h('ul', { class: 'a3s-pulls', 'aria-label': trans.__('Pulls') });
  private readonly selection = new PullSelection();
  private readonly items = new Map<string, Item>();
  private state: State = EMPTY;
  private readonly unsubscribe: () => void;

  constructor(private readonly store: Store) {
    this.unsubscribe = store.subscribe(state => {
      this.state = state;
      this.show();
    });
  }

  dispose(): void {
    this.unsubscribe();
  }

  /**
   * Start a pull and return its status once it has begun, or of a model that is already here.
   *
   * Rejects with a `RequestError`, which may have candidates.
   */
  async start(reference: string): Promise<Pull> {
    const pull = await startPull(this.store, reference);
    this.selection.add(pull);
    this.show();
    return pull;
  }

  private show(): void {
    const shown = new Map(this.selection.of(this.state).map(pull => [pull.name, pull]));
    for (const [name, { element }] of this.items) {
      if (!shown.has(name)) {
        this.remove(name, element);
      }
    }
    for (const [name, pull] of shown) {
      this.itemOf(name).view.update(pull);
    }
    this.element.hidden = this.items.size === 0;
  }

  private itemOf(name: string): Item {
    const existing = this.items.get(name);
    if (existing !== undefined) {
      return existing;
    }
    const view = new PullView(name, this.store.transport, {
      follow: pull => this.follow(pull),
      dismiss: attempt => this.dismiss(attempt)
    });
    const item = { view, element: h('li', {}, view.element) };
    this.items.set(name, item);
    this.element.prepend(item.element); // The newest is the first, and none moves later.
    return item;
  }

  private follow(pull: Pull): void {
    this.selection.add(pull);
    this.show();
    this.items.get(pull.name)?.view.focus();
  }

  private dismiss(attempt: string): void {
    this.selection.dismiss(attempt);
    this.show();
  }

  /** Remove an item. If it has the focus, the next one or the panel takes it. */
  private remove(name: string, element: HTMLElement): void {
    const hadFocus = element.contains(element.ownerDocument.activeElement);
    const near = element.nextElementSibling ?? element.previousElementSibling;
    element.remove();
    this.items.delete(name);
    if (hadFocus) {
      const next = [...this.items.values()].find(item => item.element === near);
      if (next !== undefined) {
        next.view.focus();
      } else {
        this.element.closest<HTMLElement>('[tabindex]')?.focus();
      }
    }
  }
}
