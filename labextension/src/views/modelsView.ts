/** The models of a server: a toolbar, the memory, the pulls, and the table or the view to add models. */

import { EMPTY, type State } from '../state/state.js';
import type { ConnectionStatus, Store } from '../state/store.js';
import { MemoryBar } from './details/memoryBar.js';
import { button, h, root, setText } from './dom.js';
import { FindView } from './find/findView.js';
import type { LabHost, PanelHost } from './host.js';
import { icon } from './icons.js';
import { trans } from './i18n.js';
import { PullList } from './pulls/pullList.js';
import type { ColumnKey } from './table/columns.js';
import { ModelTable } from './table/modelTable.js';
import { DEFAULT_PREFERENCES, type TablePreferences } from './table/preferences.js';

export class ModelsView {
  readonly element: HTMLElement;
  private readonly filter = h('input', {
    type: 'search',
    placeholder: trans.__('Filter'),
    'aria-label': trans.__('Filter models')
  });
  private readonly addButton = button(trans.__('Add model'), () => this.openFind());
  private readonly status = h('div', { class: 'a3s-note', role: 'status' });
  private readonly toolbar = h('div', { class: 'a3s-toolbar' });
  private readonly memory: MemoryBar;
  private readonly pulls: PullList;
  private readonly table: ModelTable;
  private readonly host: PanelHost;
  private find: FindView | null = null;
  /** Whether the user asked for the view to add models, which is shown anyway without models. */
  private isAdding = false;
  private state: State = EMPTY;
  private connection: ConnectionStatus = 'connecting';
  private reason = '';
  private isEmpty = false;
  private shown = 0;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly store: Store,
    labHost: LabHost = {},
    preferences: TablePreferences = DEFAULT_PREFERENCES,
    onPreferences: (preferences: TablePreferences) => void = () => undefined
  ) {
    this.host = {
      ...labHost,
      pull: name => this.pulls.start(name),
      copy: text => navigator.clipboard.writeText(text),
      close: () => this.showFind(false)
    };
    this.memory = new MemoryBar(store);
    this.pulls = new PullList(store);
    this.table = new ModelTable(store, this.host, {
      onShown: count => this.showCount(count),
      onPreferences,
      onFocusLost: () => this.focus()
    });
    this.filter.addEventListener('input', () => this.table.setFilter(this.filter.value));
    this.addButton.prepend(icon('add'));
    this.toolbar.append(this.addButton, this.filter, this.status);
    this.element = root(
      'a3s-models',
      this.toolbar,
      this.memory.element,
      this.pulls.element,
      this.table.element
    );
    this.setPreferences(preferences);
    this.unsubscribe = store.subscribe((state, connection, reason) =>
      this.update(state, connection, reason)
    );
  }

  hideColumns(hidden: readonly ColumnKey[]): void {
    this.table.hideColumns(hidden);
  }

  /** Apply the preferences that were saved earlier. */
  setPreferences(preferences: TablePreferences): void {
    this.filter.value = preferences.filter;
    this.table.setPreferences(preferences);
  }

  dispose(): void {
    this.unsubscribe();
    this.find?.dispose();
    this.table.dispose();
    this.pulls.dispose();
    this.memory.dispose();
  }

  /** Put the focus on the filter, or on the view to add models. */
  focus(): void {
    if (this.find === null) {
      this.filter.focus();
    } else {
      this.find.focus();
    }
  }

  private showCount(shown: number): void {
    this.shown = shown;
    this.showStatus();
  }

  private update(state: State, connection: ConnectionStatus, reason: string): void {
    this.state = state;
    this.connection = connection;
    this.reason = reason;
    this.showStatus();
    const isEmpty = state.instance !== null && state.models.size === 0;
    if (isEmpty !== this.isEmpty) {
      this.isEmpty = isEmpty;
      this.placeFind();
    }
  }

  private showStatus(): void {
    // The counts are those of the table.
    const isQuiet = this.find !== null && this.connection === 'connected';
    const text = statusText(this.connection, this.reason, this.shown, this.state.models.size);
    setText(this.status, isQuiet ? '' : text);
    this.toolbar.hidden = isQuiet;
  }

  private openFind(): void {
    this.showFind(true);
    this.find?.focus();
  }

  private showFind(shown: boolean): void {
    this.isAdding = shown;
    this.placeFind();
  }

  /** Show the view to add models in place of the table, or the table. */
  private placeFind(): void {
    const shown = this.isAdding || this.isEmpty;
    const replaced = shown ? [this.toolbar, this.table.element] : [this.find?.element];
    const hadFocus = replaced.some(element => element?.contains(document.activeElement));
    this.addButton.hidden = shown;
    this.filter.hidden = shown;
    this.table.element.hidden = shown;
    if (shown && this.find === null) {
      this.find = new FindView(this.store, this.host);
      this.element.append(this.find.element);
      if (hadFocus) {
        this.find.focus();
      }
    } else if (!shown && this.find !== null) {
      this.find.dispose();
      this.find.element.remove();
      this.find = null;
      this.showStatus(); // shows the toolbar
      if (hadFocus) {
        this.addButton.focus();
      }
    }
    this.showStatus();
  }
}

/** Return the state of the connection, or else how many models there are and how many are shown. */
export function statusText(
  connection: ConnectionStatus,
  reason: string,
  shown: number,
  all: number
): string {
  switch (connection) {
    case 'connecting':
      return trans.__('Connecting to the server…');
    case 'connected':
      return shown < all
        ? trans._n('%2 of %1 model', '%2 of %1 models', all, shown)
        : trans._n('%1 model', '%1 models', all);
    case 'lost':
      return trans.__('Connection lost. Reconnecting… The table may be out of date.');
    case 'refused':
      return trans.__('No connection: %1', reason);
  }
}
