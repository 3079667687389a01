/** A table of the server's models. */

import type { Model } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { h } from '../dom.js';
import type { PanelHost } from '../host.js';
import { trans } from '../i18n.js';
import { arrange, COLUMNS, type ColumnKey, emptyColumns } from './columns.js';
import { Headers } from './headers.js';
import { ModelRow } from './modelRow.js';
import { DEFAULT_PREFERENCES, type TablePreferences } from './preferences.js';

/** Rows placed at once. The rest follow in batches, so a long table does not block the page. */
const FIRST_ROWS = 60;
const BATCH = 100;

/** Milliseconds between updates of the displayed times. */
const TICK = 1000;

/** Milliseconds without a move of the pointer over the rows before they change places. */
const REST = 2000;

export interface TableListener {
  /** Called with the number of models that match the filter. */
  onShown: (count: number) => void;
  /** Called when the user has changed the preferences. */
  onPreferences: (preferences: TablePreferences) => void;
  /** Called when the last model was deleted in the table, which had the focus. */
  onFocusLost: () => void;
}

export class ModelTable {
  readonly element: HTMLElement;
  private readonly table: HTMLTableElement;
  private readonly headers: Headers;
  private readonly empty: HTMLTableSectionElement;
  private readonly rows = new Map<string, ModelRow>();
  private preferences = DEFAULT_PREFERENCES;
  private hidden: readonly ColumnKey[] = [];
  private state: State = EMPTY;
  private shown: readonly Model[] = [];
  /** When the pointer last moved over the rows. */
  private pointerMoved = -Infinity;
  private nextBatch = 0;
  private nextArrangement = 0;
  private readonly unsubscribe: () => void;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly store: Store,
    private readonly host: PanelHost,
    private readonly listener: TableListener
  ) {
    this.headers = new Headers(
      key => this.sortBy(key),
      (key, width) => this.resize(key, width)
    );
    const cell = { role: 'cell', colspan: String(COLUMNS.length + 1), class: 'a3s-empty' };
    const row = h('tr', { role: 'row' }, h('td', cell, trans.__('No models match the filter.')));
    this.empty = h('tbody', { role: 'rowgroup', hidden: true }, row);
    // The roles keep it a table in narrow layouts, where CSS makes rows blocks.
    this.table = h(
      'table',
      { class: 'a3s-table', role: 'table', 'aria-label': trans.__('Local models') },
      this.headers.element,
      this.empty
    );
    this.table.addEventListener('pointermove', () => (this.pointerMoved = performance.now()));
    this.table.addEventListener('pointerleave', () => (this.pointerMoved = -Infinity));
    this.table.addEventListener('keydown', event => this.moveFocus(event));
    this.element = h('div', { class: 'a3s-scroll' }, this.table);
    this.unsubscribe = store.subscribe(state => this.update(state));
    this.timer = setInterval(() => this.tick(), TICK);
  }

  hideColumns(hidden: readonly ColumnKey[]): void {
    this.hidden = hidden;
    this.showColumns();
  }

  setPreferences(preferences: TablePreferences): void {
    this.preferences = preferences;
    this.showWidths();
    this.arrange();
  }

  /** Show only the models that match every word of `filter`. */
  setFilter(filter: string): void {
    this.change({ filter });
    this.arrange();
  }

  dispose(): void {
    this.unsubscribe();
    clearInterval(this.timer);
    clearTimeout(this.nextBatch);
    clearTimeout(this.nextArrangement);
    for (const row of this.rows.values()) {
      row.dispose();
    }
  }

  private change(changes: Partial<TablePreferences>): void {
    this.preferences = { ...this.preferences, ...changes };
    this.listener.onPreferences(this.preferences);
  }

  private sortBy(key: ColumnKey): void {
    const { sorting } = this.preferences;
    this.change({ sorting: { key, descending: sorting.key === key && !sorting.descending } });
    this.arrange();
  }

  private resize(key: ColumnKey, width: number | null): void {
    const { [key]: _, ...others } = this.preferences.widths;
    this.change({ widths: width === null ? others : { ...others, [key]: width } });
    this.showWidths();
  }

  private showWidths(): void {
    for (const { key } of COLUMNS) {
      const width = this.preferences.widths[key];
      this.table.classList.toggle(`a3s-sized-${key}`, width !== undefined);
      this.table.style.setProperty(`--a3s-width-${key}`, width === undefined ? null : `${width}px`);
    }
  }

  /** Hide the columns that the user does not want, and those that are empty. */
  private showColumns(): void {
    const empty = emptyColumns(this.state.models.values());
    for (const { key } of COLUMNS) {
      const isHidden = this.hidden.includes(key) || empty.includes(key);
      this.element.classList.toggle(`a3s-without-${key}`, isHidden);
    }
  }

  private update(state: State): void {
    const before = this.state;
    this.state = state;
    if (state.models === before.models) {
      return;
    }
    this.showColumns();
    if (performance.now() - this.pointerMoved < REST) {
      this.updateInPlace();
    } else {
      this.arrange();
    }
  }

  /** Update the rows without moving any, which the user may be about to click. */
  private updateInPlace(): void {
    const { models } = this.state;
    const isSame = this.shown.every(({ id }) => models.has(id)) && models.size === this.rows.size;
    if (!isSame) {
      this.arrange();
      return;
    }
    const now = Date.now() / 1000;
    this.shown = this.shown.flatMap(({ id }) => models.get(id) ?? []);
    for (const model of this.shown) {
      this.rows.get(model.id)?.update(model, now);
    }
    clearTimeout(this.nextArrangement);
    this.nextArrangement = window.setTimeout(() => this.arrange(), REST);
  }

  /** Filter and sort the models, and place their rows. */
  private arrange(): void {
    clearTimeout(this.nextArrangement);
    clearTimeout(this.nextBatch);
    const { sorting, filter } = this.preferences;
    const focused = document.activeElement;
    const hasFocus = focused !== null && this.table.contains(focused);
    const successor = hasFocus ? this.successorOf(focused) : null;
    this.headers.showSorting(sorting);
    this.shown = arrange(this.state.models.values(), sorting, filter);
    for (const [id, row] of this.rows) {
      if (!this.state.models.has(id)) {
        row.dispose();
        this.rows.delete(id);
      }
    }
    this.placeRows(0, FIRST_ROWS, this.empty.nextElementSibling);
    this.empty.hidden = this.shown.length > 0 || this.state.instance === null;
    this.listener.onShown(this.shown.length);
    if (!hasFocus) {
      return;
    }
    if (focused instanceof HTMLElement && focused.isConnected) {
      focused.focus(); // Moving an element removes its focus.
    } else if (successor !== null && this.rows.get(successor) !== undefined) {
      this.rows.get(successor)?.focus('delete');
    } else {
      this.listener.onFocusLost();
    }
  }

  /** Return the model below the row of an element, or else above, that still exists. */
  private successorOf(element: Element): string | null {
    const ids = this.shown.map(({ id }) => id);
    const at = ids.findIndex(id => this.rows.get(id)?.element.contains(element));
    const others = [...ids.slice(at + 1), ...ids.slice(0, Math.max(at, 0)).reverse()];
    return others.find(id => this.state.models.has(id)) ?? null;
  }

  /** Place `count` rows from index `start` on before `next`, and schedule the next batch. */
  private placeRows(start: number, count: number, next: Element | null): void {
    const now = Date.now() / 1000;
    const end = Math.min(start + count, this.shown.length);
    for (const model of this.shown.slice(start, end)) {
      const row = this.rowOf(model);
      row.update(model, now);
      if (next !== null && next.nextElementSibling === row.element) {
        // It moves down or is not shown any more. The rows after it stay where they are.
        next.remove();
        next = row.element;
      }
      if (row.element === next) {
        next = next.nextElementSibling;
      } else {
        this.table.insertBefore(row.element, next);
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
    let row = this.rows.get(model.id);
    if (row === undefined) {
      row = new ModelRow(model.id, this.store, this.host);
      this.rows.set(model.id, row);
    }
    return row;
  }

  /** Move the focus to the same button of the row above or below. */
  private moveFocus(event: KeyboardEvent): void {
    const target = event.target;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined || !(target instanceof HTMLButtonElement)) {
      return;
    }
    const selector = target.dataset['action']
      ? `[data-action="${target.dataset['action']}"]`
      : target.classList.contains('a3s-unfold')
        ? '.a3s-unfold'
        : null;
    if (selector !== null) {
      event.preventDefault();
      const buttons = [...this.table.querySelectorAll<HTMLElement>(selector)];
      buttons[buttons.indexOf(target) + step]?.focus();
    }
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
