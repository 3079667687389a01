/** The unfinished pulls of the server. */

import type { State } from '../../state/state.js';
import { openPulls } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { h } from '../dom.js';
import type { PanelHost } from '../host.js';
import { PullView } from './pullView.js';

export class PullList {
  readonly element = h('div', { class: 'a3s-pulls' });
  private readonly views = new Map<string, PullView>();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly store: Store,
    _host: PanelHost
  ) {
    this.unsubscribe = store.subscribe(state => this.update(state));
  }

  dispose(): void {
    this.unsubscribe();
  }

  private update({ pulls }: State): void {
    const open = openPulls(pulls);
    const names = new Set(open.map(pull => pull.name));
    for (const [name, view] of this.views) {
      if (!names.has(name)) {
        view.element.remove();
        this.views.delete(name);
      }
    }
    for (const pull of open) {
      let view = this.views.get(pull.name);
      if (view === undefined) {
        view = new PullView(pull.name, this.store.transport);
        this.views.set(pull.name, view);
        this.element.append(view.element);
      }
      view.update(pull);
    }
  }
}
