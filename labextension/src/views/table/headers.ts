/** The header of the table, whose buttons sort it and whose borders resize the columns. */

import { h } from '../dom.js';
import { trans } from '../i18n.js';
import { type Column, COLUMNS, type ColumnKey, type Sorting } from './columns.js';
import { clampWidth } from './preferences.js';

/** Pixels by which an arrow key changes a width. */
const STEP = 16;

export class Headers {
  readonly element: HTMLTableSectionElement;
  private readonly cells = new Map<ColumnKey, HTMLTableCellElement>();

  /** `onResize` receives a width in pixels, or null for the width of the content. */
  constructor(
    private readonly onSort: (key: ColumnKey) => void,
    private readonly onResize: (key: ColumnKey, width: number | null) => void
  ) {
    const last = { scope: 'col', role: 'columnheader', class: 'a3s-last' };
    const actions = h('span', { class: 'a3s-hidden' }, trans.__('Actions'));
    const cells = COLUMNS.map(column => this.createCell(column));
    const row = h('tr', { role: 'row' }, ...cells, h('th', last, actions));
    this.element = h('thead', { role: 'rowgroup' }, row);
  }

  showSorting({ key: sorted, descending }: Sorting): void {
    for (const [key, cell] of this.cells) {
      const order = descending ? 'descending' : 'ascending';
      cell.setAttribute('aria-sort', key === sorted ? order : 'none');
    }
  }

  private createCell({ key, title, numeric }: Column): HTMLTableCellElement {
    const sortAttributes = {
      type: 'button',
      class: 'a3s-sort',
      title: trans.__('Sort by %1. Shift and an arrow key change the width.', title()),
      'aria-keyshortcuts': 'Shift+ArrowLeft Shift+ArrowRight'
    };
    const sort = h('button', sortAttributes, title());
    sort.addEventListener('click', () => this.onSort(key)); // twice for the other direction
    const handle = h('span', { class: 'a3s-resize', 'aria-hidden': 'true' });
    const attributes = {
      scope: 'col',
      role: 'columnheader',
      class: numeric ? 'a3s-number' : undefined,
      'data-column': key
    };
    const cell = h('th', attributes, sort, handle);
    this.cells.set(key, cell);
    sort.addEventListener('keydown', event => this.resizeByKey(event, key, cell));
    handle.addEventListener('pointerdown', event => this.resizeByPointer(event, key, cell));
    handle.addEventListener('dblclick', () => this.onResize(key, null));
    return cell;
  }

  private resizeByKey(event: KeyboardEvent, key: ColumnKey, cell: HTMLElement): void {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.shiftKey && direction !== undefined) {
      event.preventDefault();
      const change = direction * STEP * signOf(cell);
      this.onResize(key, clampWidth(cell.getBoundingClientRect().width + change));
    }
  }

  private resizeByPointer(event: PointerEvent, key: ColumnKey, cell: HTMLElement): void {
    const handle = event.currentTarget as HTMLElement;
    const { width } = cell.getBoundingClientRect();
    event.preventDefault(); // no selection of text
    handle.setPointerCapture(event.pointerId);
    handle.onpointermove = move => {
      const change = (move.clientX - event.clientX) * signOf(cell);
      if (change !== 0) {
        this.onResize(key, clampWidth(width + change));
      }
    };
    handle.onlostpointercapture = () => {
      handle.onpointermove = null;
    };
  }
}

/** Return -1 where columns grow to the left. */
function signOf(cell: HTMLElement): number {
  return getComputedStyle(cell).direction === 'rtl' ? -1 : 1;
}
