/** The models of a server in a table, with what can be done with each, and the pulls above it. */

import { arrange, COLUMNS, type ColumnKey, type Sorting } from './columns.js';
import { button, h, root, setText, uniqueId } from './dom.js';
import type { Live, Standing } from './live.js';
import { ModelRow } from './modelRow.js';
import { PullView } from './pullView.js';
import { type Model, NOTHING, openPulls, type State } from './state.js';
import { inMemory } from './summary.js';

/** Rows that are made at once; the others follow while the browser has nothing to do. */
const FIRST_ROWS = 60;
const MORE_ROWS = 100;

/** Milliseconds between two looks at the clock, for what counts down. */
const TICK = 1000;

export class TableView {
  readonly element: HTMLElement;
  private readonly body = h('tbody', { role: 'rowgroup' });
  private readonly filter: HTMLInputElement;
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly status = h('div', { class: 'a3s-note', role: 'status' });
  private readonly pulls = h('div', { class: 'a3s-pulls' });
  private readonly rows = new Map<string, ModelRow>();
  private readonly pullViews = new Map<string, PullView>();
  private readonly heads = new Map<ColumnKey, HTMLTableCellElement>();
  private sorting: Sorting = { key: 'name', descending: false };
  private state: State = NOTHING;
  private standing: Standing = 'connecting';
  private shown: readonly Model[] = [];
  private later = 0;
  private readonly unsubscribe: () => void;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly live: Live) {
    this.filter = h('input', {
      type: 'search',
      placeholder: 'Filter',
      'aria-label': 'Filter models'
    });
    this.filter.addEventListener('input', () => this.arrange());
    const head = h(
      'tr',
      { role: 'row' },
      ...COLUMNS.map(column => this.head(column.key, column.title))
    );
    const last = { scope: 'col', role: 'columnheader', class: 'a3s-last' };
    head.append(h('th', last, 'Actions'));
    const caption = h('caption', { class: 'a3s-hidden' }, 'Local models');
    // Where it is narrow, rows become blocks; the roles keep them a table for a screen reader.
    const heads = h('thead', { role: 'rowgroup' }, head);
    const table = h('table', { class: 'a3s-table', role: 'table' }, caption, heads, this.body);
    const scroll = h(
      'div',
      { class: 'a3s-scroll', tabindex: '0', role: 'region', 'aria-label': 'Local models' },
      table
    );
    const tools = h('div', { class: 'a3s-row' }, this.pullForm(), this.filter);
    this.element = root('a3s-models', tools, this.error, this.pulls, this.status, scroll);
    this.unsubscribe = live.subscribe((state, standing) => this.update(state, standing));
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
    clearTimeout(this.later);
  }

  // ------------------------------------------------------------ parts

  private head(key: ColumnKey, title: string): HTMLTableCellElement {
    const cell = h(
      'th',
      { scope: 'col', role: 'columnheader', 'data-column': key },
      button(title, () => this.sortBy(key), { class: 'a3s-sort' })
    );
    this.heads.set(key, cell);
    return cell;
  }

  private pullForm(): HTMLFormElement {
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
      const name = input.value.trim();
      if (name !== '') {
        void this.pull(name).then(begun => begun && (input.value = ''));
      }
    });
    return form;
  }

  private async pull(name: string): Promise<boolean> {
    try {
      await this.live.transport.request('POST', 'models/pull', { name, background: true });
      this.say('');
      return true;
    } catch (error) {
      this.say((error as Error).message);
      return false;
    }
  }

  private say(text: string): void {
    setText(this.error, text);
  }

  private sortBy(key: ColumnKey): void {
    this.sorting = { key, descending: this.sorting.key === key && !this.sorting.descending };
    this.arrange();
  }

  // ------------------------------------------------------------ state

  private update(state: State, standing: Standing): void {
    const before = this.state;
    this.state = state;
    this.standing = standing;
    setText(this.status, this.summary());
    if (state.pulls !== before.pulls) {
      this.showPulls();
    }
    if (state.models !== before.models || this.shown.length === 0) {
      this.arrange();
    }
  }

  private summary(): string {
    const words = {
      connecting: 'Asking the server.',
      connected: inMemory(this.state.models),
      lost: 'The server does not answer; trying again. This is what was known last.'
    };
    return words[this.standing];
  }

  private showPulls(): void {
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
        view = new PullView(pull.name, this.live.transport);
        this.pullViews.set(pull.name, view);
        this.pulls.append(view.element);
      }
      view.update(pull);
    }
  }

  /** Put the rows into their order, making those that are missing. */
  private arrange(): void {
    for (const [key, cell] of this.heads) {
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
    clearTimeout(this.later);
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    this.place(0, FIRST_ROWS);
    if (focused instanceof HTMLElement && focused.isConnected) {
      focused.focus(); // an element that is moved loses it
    }
    if (this.shown.length === 0 && this.state.instance !== null) {
      this.body.replaceChildren(this.emptyRow());
    }
  }

  private emptyRow(): HTMLTableRowElement {
    const text = this.filter.value
      ? 'No model matches.'
      : 'No models yet. Pull one, or register a file with %power register.';
    const attributes = { role: 'cell', colspan: String(COLUMNS.length + 1), class: 'a3s-empty' };
    return h('tr', { role: 'row' }, h('td', attributes, text));
  }

  /** Place the rows from `start` on, `count` of them now. */
  private place(start: number, count: number): void {
    const now = Date.now() / 1000;
    const end = Math.min(start + count, this.shown.length);
    for (let i = start; i < end; i += 1) {
      const model = this.shown[i] as Model;
      const row = this.rowOf(model);
      row.update(model, now);
      if (this.body.children[i] !== row.element) {
        this.body.insertBefore(row.element, this.body.children[i] ?? null);
      }
    }
    if (end < this.shown.length) {
      this.later = window.setTimeout(() => this.place(end, MORE_ROWS));
      return;
    }
    while (this.body.children.length > end) {
      this.body.lastElementChild?.remove();
    }
  }

  private rowOf(model: Model): ModelRow {
    const known = this.rows.get(model.id);
    if (known !== undefined) {
      return known;
    }
    const row = new ModelRow(model.id, this.live.transport, text => this.say(text));
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
