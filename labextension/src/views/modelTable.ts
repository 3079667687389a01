/** A table of the server's models, with unfinished pulls above it. */

import { messageOf } from '../api/transport.js';
import type { Model } from '../api/types.js';
import { EMPTY, openPulls, type State } from '../state/state.js';
import type { ConnectionStatus, Store } from '../state/store.js';
import { arrange, type Column, COLUMNS, type ColumnKey, type Sorting } from './columns.js';
import { button, h, root, setText, uniqueId } from './dom.js';
import { ModelRow } from './modelRow.js';
import { PullView } from './pullView.js';
import { memorySummary } from './summary.js';

/** Rows placed at once. The rest follow in batches, so a long table does not block the page. */
const FIRST_ROWS = 60;
const BATCH = 100;

/** Milliseconds between updates of the displayed times. */
const TICK = 1000;

export class ModelTable {
  readonly element: HTMLElement;
  private readonly body = h('tbody', { role: 'rowgroup' });
  private readonly filter = h('input', {
    type: 'search',
    placeholder: 'Filter',
    'aria-label': 'Filter models'
  });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly status = h('div', { class: 'a3s-note', role: 'status' });
  private readonly pulls = h('div', { class: 'a3s-pulls' });
  private readonly rows = new Map<string, ModelRow>();
  private readonly pullViews = new Map<string, PullView>();
  private readonly headers = new Map<ColumnKey, HTMLTableCellElement>();
  private sorting: Sorting = { key: 'name', descending: false };
  private state: State = EMPTY;
  private shown: readonly Model[] = [];
  private nextBatch = 0;
  private readonly unsubscribe: () => void;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly store: Store) {
    this.filter.addEventListener('input', () => this.arrange());
    const scroll = h(
      'div',
      { class: 'a3s-scroll', tabindex: '0', role: 'region', 'aria-label': 'Local models' },
      this.createTable()
    );
    const tools = h('div', { class: 'a3s-row' }, this.createPullForm(), this.filter);
    this.element = root('a3s-models', tools, this.error, this.pulls, this.status, scroll);
    this.unsubscribe = store.subscribe((state, connection, reason) =>
      this.update(state, connection, reason)
    );
    this.timer = setInterval(() => this.tick(), TICK);
  }

  hideColumns(hidden: readonly ColumnKey[]): void {
    for (const { key } of COLUMNS) {
      this.element.classList.toggle(`a3s-without-${key}`, hidden.includes(key));
    }
  }

  dispose(): void {
    this.unsubscribe();
    clearInterval(this.timer);
    clearTimeout(this.nextBatch);
  }

  /** Create the table. The roles keep it a table in narrow layouts, where CSS makes rows blocks. */
  private createTable(): HTMLTableElement {
    const headers = COLUMNS.map(column => this.createHeader(column));
    const last = { scope: 'col', role: 'columnheader', class: 'a3s-last' };
    const row = h('tr', { role: 'row' }, ...headers, h('th', last, 'Actions'));
    return h(
      'table',
      { class: 'a3s-table', role: 'table' },
      h('caption', { class: 'a3s-hidden' }, 'Local models'),
      h('thead', { role: 'rowgroup' }, row),
      this.body
    );
  }

  private createHeader({ key, title, numeric }: Column): HTMLTableCellElement {
    const className = numeric ? 'a3s-number' : undefined;
    const cell = h(
      'th',
      { scope: 'col', role: 'columnheader', class: className, 'data-column': key },
      button(title, () => this.sortBy(key), { class: 'a3s-sort' })
    );
    this.headers.set(key, cell);
    return cell;
  }

  private createPullForm(): HTMLFormElement {
    const id = uniqueId();
    const input = h('input', {
      id,
      type: 'text',
      placeholder: 'owner/repo:TAG',
      spellcheck: 'false'
    });
    const form = h(
      'form',
      { class: 'a3s-row a3s-grow' },
      h('label', { for: id, class: 'a3s-hidden' }, 'Model to pull'),
      input,
      h('button', { type: 'submit', class: 'a3s-button' }, 'Pull')
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.pull(input);
    });
    return form;
  }

  /** Start a pull of the model named in `input`, and clear `input` if the server accepts it. */
  private async pull(input: HTMLInputElement): Promise<void> {
    const name = input.value.trim();
    if (name === '') {
      return;
    }
    try {
      await this.store.transport.request('POST', 'models/pull', { name, background: true });
      this.showError('');
      input.value = '';
    } catch (error) {
      this.showError(messageOf(error));
    }
  }

  private showError(message: string): void {
    setText(this.error, message);
  }

  private sortBy(key: ColumnKey): void {
    this.sorting = { key, descending: this.sorting.key === key && !this.sorting.descending };
    this.arrange();
  }

  private update(state: State, connection: ConnectionStatus, reason: string): void {
    const before = this.state;
    this.state = state;
    setText(this.status, statusText(state, connection, reason));
    if (state.pulls !== before.pulls) {
      this.updatePulls();
    }
    if (state.models !== before.models || this.shown.length === 0) {
      this.arrange();
    }
  }

  private updatePulls(): void {
    const open = openPulls(this.state.pulls);
    const names = new Set(open.map(pull => pull.name));
    for (const [name, view] of this.pullViews) {
      if (!names.has(name)) {
        view.element.remove();
        this.pullViews.delete(name);
      }
    }
    for (const pull of open) {
      let view = this.pullViews.get(pull.name);
      if (view === undefined) {
        view = new PullView(pull.name, this.store.transport);
        this.pullViews.set(pull.name, view);
        this.pulls.append(view.element);
      }
      view.update(pull);
    }
  }

  /** Filter and sort the models, and place their rows. */
  private arrange(): void {
    for (const [key, cell] of this.headers) {
      const order = this.sorting.descending ? 'descending' : 'ascending';
      cell.setAttribute('aria-sort', key === this.sorting.key ? order : 'none');
    }
    this.shown = arrange(this.state.models.values(), this.sorting, this.filter.value);
    for (const [id, row] of this.rows) {
      if (!this.state.models.has(id)) {
        row.element.remove();
        this.rows.delete(id);
      }
    }
    clearTimeout(this.nextBatch);
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    this.placeRows(0, FIRST_ROWS);
    if (focused instanceof HTMLElement && focused.isConnected) {
      focused.focus(); // Moving an element removes its focus.
    }
    if (this.shown.length === 0 && this.state.instance !== null) {
      this.body.replaceChildren(this.createEmptyRow());
    }
  }

  private createEmptyRow(): HTMLTableRowElement {
    const text = this.filter.value
      ? 'No models match the filter.'
      : 'No models yet. Pull one, or register a file with %power register.';
    const attributes = { role: 'cell', colspan: String(COLUMNS.length + 1), class: 'a3s-empty' };
    return h('tr', { role: 'row' }, h('td', attributes, text));
  }

  /** Place `count` rows from index `start` on, and schedule the next batch. */
  private placeRows(start: number, count: number): void {
    const now = Date.now() / 1000;
    const batch = this.shown.slice(start, start + count);
    batch.forEach((model, i) => {
      const row = this.rowOf(model);
      row.update(model, now);
      const current = this.body.children[start + i] ?? null;
      if (current !== row.element) {
        this.body.insertBefore(row.element, current);
      }
    });
    const end = start + batch.length;
    if (end < this.shown.length) {
      this.nextBatch = window.setTimeout(() => this.placeRows(end, BATCH));
      return;
    }
    while (this.body.children.length > end) {
      this.body.lastElementChild?.remove();
    }
  }

  private rowOf(model: Model): ModelRow {
    const existing = this.rows.get(model.id);
    if (existing !== undefined) {
      return existing;
    }
    const showError = (message: string) => this.showError(message);
    const row = new ModelRow(model.id, this.store.transport, showError);
    this.rows.set(model.id, row);
    return row;
  }

  private tick(): void {
    const now = Date.now() / 1000;
    for (const model of this.shown) {
      if (model.expires_at !== undefined || model.last_used_at !== undefined) {
        this.rows.get(model.id)?.update(model, now);
      }
    }
  }
}

function statusText({ models }: State, connection: ConnectionStatus, reason: string): string {
  switch (connection) {
    case 'connecting':
      return 'Connecting to the server…';
    case 'connected':
      return memorySummary(models);
    case 'lost':
      return 'Connection lost. Reconnecting… The table may be out of date.';
    case 'refused':
      return `No connection: ${reason}`;
  }
}
