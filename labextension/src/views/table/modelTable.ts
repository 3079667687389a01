/** A table of the server's models. */

import type { Model } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { arrange, type Column, COLUMNS, type ColumnKey, type Sorting } from './columns.js';
import { button, h, setText } from '../dom.js';
import type { PanelHost } from '../host.js';
import { ModelRow } from './modelRow.js';

/** Rows placed at once. The rest follow in batches, so a long table does not block the page. */
const FIRST_ROWS = 60;
const BATCH = 100;

/** Milliseconds between updates of the displayed times. */
const TICK = 1000;

export class ModelTable {
  readonly element: HTMLElement;
  private readonly body = h('tbody', { role: 'rowgroup' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly rows = new Map<string, ModelRow>();
  private readonly headers = new Map<ColumnKey, HTMLTableCellElement>();
  private filter = '';
  private sorting: Sorting = { key: 'name', descending: false };
  private state: State = EMPTY;
  private shown: readonly Model[] = [];
  private nextBatch = 0;
  private readonly unsubscribe: () => void;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly store: Store,
    private readonly host: PanelHost
  ) {
    const scroll = h(
      'div',
      { class: 'a3s-scroll', tabindex: '0', role: 'region', 'aria-label': 'Local models' },
      this.createTable()
    );
    this.element = h('div', {}, this.error, scroll);
    this.unsubscribe = store.subscribe(state => this.update(state));
    this.timer = setInterval(() => this.tick(), TICK);
  }

  hideColumns(hidden: readonly ColumnKey[]): void {
    for (const { key } of COLUMNS) {
      this.element.classList.toggle(`a3s-without-${key}`, hidden.includes(key));
    }
  }

  /** Show only the models that match every word of `filter`. */
  setFilter(filter: string): void {
    this.filter = filter;
    this.arrange();
  }

  dispose(): void {
    this.unsubscribe();
    clearInterval(this.timer);
    clearTimeout(this.nextBatch);
    for (const row of this.rows.values()) {
      row.dispose();
    }
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

  private showError(message: string): void {
    setText(this.error, message);
  }

  private sortBy(key: ColumnKey): void {
    this.sorting = { key, descending: this.sorting.key === key && !this.sorting.descending };
    this.arrange();
  }

  private update(state: State): void {
    const before = this.state;
    this.state = state;
    if (state.models !== before.models || this.shown.length === 0) {
      this.arrange();
    }
  }

  /** Filter and sort the models, and place their rows. */
  private arrange(): void {
    for (const [key, cell] of this.headers) {
      const order = this.sorting.descending ? 'descending' : 'ascending';
      cell.setAttribute('aria-sort', key === this.sorting.key ? order : 'none');
    }
    this.shown = arrange(this.state.models.values(), this.sorting, this.filter);
    for (const [id, row] of this.rows) {
      if (!this.state.models.has(id)) {
        row.dispose();
        this.rows.delete(id);
      }
    }
    clearTimeout(this.nextBatch);
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    this.placeRows(0, FIRST_ROWS, this.body.firstElementChild);
    if (focused instanceof HTMLElement && focused.isConnected) {
      focused.focus(); // Moving an element removes its focus.
    }
    if (this.shown.length === 0 && this.state.instance !== null) {
      this.body.replaceChildren(this.createEmptyRow());
    }
  }

  private createEmptyRow(): HTMLTableRowElement {
    const text = this.filter ? 'No models match the filter.' : 'No models yet.';
    const attributes = { role: 'cell', colspan: String(COLUMNS.length + 1), class: 'a3s-empty' };
    return h('tr', { role: 'row' }, h('td', attributes, text));
  }

  /** Place `count` rows from index `start` on before `next`, and schedule the next batch. */
  private placeRows(start: number, count: number, next: Element | null): void {
    const now = Date.now() / 1000;
    const end = Math.min(start + count, this.shown.length);
    for (const model of this.shown.slice(start, end)) {
      const row = this.rowOf(model);
      row.update(model, now);
      for (const element of row.elements) {
        if (element === next) {
          next = next.nextElementSibling;
        } else {
          this.body.insertBefore(element, next);
        }
      }
    }
    if (end < this.shown.length) {
      this.nextBatch = window.setTimeout(() => this.placeRows(end, BATCH, next));
      return;
    }
    while (next !== null) {
      const rest: Element = next;
      next = rest.nextElementSibling;
      rest.remove();
    }
  }

  private rowOf(model: Model): ModelRow {
    const existing = this.rows.get(model.id);
    if (existing !== undefined) {
      return existing;
    }
    const showError = (message: string) => this.showError(message);
    const row = new ModelRow(model.id, this.store, this.host, showError, () => this.arrange());
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
