/** A row of the model table. */

import { messageOf, modelPath } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { isInMemory } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { ModelDetails } from '../details/modelDetails.js';
import { type Column, COLUMNS } from './columns.js';
import { button, h, setText, uniqueId } from '../dom.js';
import type { PanelHost } from '../host.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';

export class ModelRow {
  private readonly row: HTMLTableRowElement;
  private readonly detailsRow = h('tr', { role: 'row', class: 'a3s-details-row', id: uniqueId() });
  private readonly unfoldButton: HTMLButtonElement;
  private details: ModelDetails | null = null;
  private readonly cells: readonly HTMLTableCellElement[];
  private readonly name = h('span');
  private readonly notes = h('div', { class: 'a3s-note' });
  private readonly error = h('div', { class: 'a3s-error' });
  private readonly loadButton = button('Load', () => this.toggleLoaded());
  private readonly pinButton = button('Pin', () => this.togglePinned());
  private readonly deleteButton: HTMLButtonElement;
  private readonly actions: HTMLElement;
  private model: Model | null = null;

  /** `showError` shows a message above the table; '' clears it. `onToggle` places the details. */
  constructor(
    private readonly id: string,
    private readonly store: Store,
    private readonly host: PanelHost,
    private readonly showError: (message: string) => void,
    private readonly onToggle: () => void
  ) {
    this.unfoldButton = button('', () => this.toggleDetails(), {
      class: 'a3s-button a3s-icon-button',
      'aria-label': trans.__('Details of %1', id),
      'aria-expanded': 'false'
    });
    this.unfoldButton.append(icon('caretRight'));
    this.deleteButton = button('Delete', () => this.confirmDelete(), {
      'aria-label': `Delete ${id}`
    });
    this.actions = h(
      'div',
      { class: 'a3s-actions' },
      this.loadButton,
      this.pinButton,
      this.deleteButton
    );
    this.cells = COLUMNS.map(createCell);
    this.cells[0]?.append(this.unfoldButton, this.name, this.notes, this.error);
    const last = h('td', { role: 'cell', class: 'a3s-last' }, this.actions);
    this.row = h('tr', { role: 'row' }, ...this.cells, last);
  }

  /** The row, and that of its details while it is unfolded. */
  get elements(): readonly HTMLTableRowElement[] {
    return this.details === null ? [this.row] : [this.row, this.detailsRow];
  }

  dispose(): void {
    this.details?.dispose();
    this.details = null;
    this.row.remove();
    this.detailsRow.remove();
  }

  /** Show `model` at `now`, in Unix seconds. */
  update(model: Model, now: number): void {
    this.details?.update(model, now);
    this.cells.forEach((cell, i) => {
      setText(i === 0 ? this.name : cell, COLUMNS[i]?.text(model, now) ?? '');
      showShare(cell, COLUMNS[i]?.share?.(model) ?? null);
      cell.title = COLUMNS[i]?.hint?.(model) ?? '';
    });
    if (model === this.model) {
      return; // Only the time has changed.
    }
    this.model = model;
    setText(this.notes, (model.notes ?? []).join(' '));
    setText(this.error, model.error?.message ?? '');
    this.setLabel(this.loadButton, this.isLoadedOrLoading ? 'Unload' : 'Load');
    this.loadButton.disabled = model.state === 'unloading';
    this.setLabel(this.pinButton, model.pinned ? 'Unpin' : 'Pin');
  }

  private toggleDetails(): void {
    if (this.details === null) {
      this.details = new ModelDetails(this.id, this.store, this.host);
      const attributes = { role: 'cell', colspan: String(COLUMNS.length + 1) };
      this.detailsRow.replaceChildren(h('td', attributes, this.details.element));
    } else {
      this.details.dispose();
      this.details = null;
    }
    const unfolded = this.details !== null;
    this.unfoldButton.setAttribute('aria-expanded', String(unfolded));
    this.unfoldButton.replaceChildren(icon(unfolded ? 'caretDown' : 'caretRight'));
    this.onToggle();
  }

  /** Relabel a button, which keeps its focus because the same one serves both directions. */
  private setLabel(element: HTMLButtonElement, label: string): void {
    setText(element, label);
    element.setAttribute('aria-label', `${label} ${this.id}`);
  }

  private get isLoadedOrLoading(): boolean {
    return this.model !== null && (isInMemory(this.model) || this.model.state === 'loading');
  }

  private toggleLoaded(): void {
    this.post(this.isLoadedOrLoading ? 'unload' : 'load');
  }

  private togglePinned(): void {
    this.post(this.model?.pinned ? 'unpin' : 'pin');
  }

  /** Ask for confirmation in place of the buttons, since not every host shows dialogs. */
  private confirmDelete(): void {
    const close = () => {
      question.replaceWith(this.actions);
      this.deleteButton.focus();
    };
    const keep = button('Keep', close, { 'aria-label': `Keep ${this.id}` });
    const confirm = button(
      'Delete',
      () => {
        close();
        void this.send('DELETE', modelPath(this.id));
      },
      { class: 'a3s-button a3s-danger', 'aria-label': `Really delete ${this.id}` }
    );
    const question = h('div', { class: 'a3s-actions', role: 'group' }, 'Delete?', confirm, keep);
    question.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        close();
      }
    });
    this.actions.replaceWith(question);
    keep.focus();
  }

  private post(action: string): void {
    void this.send('POST', modelPath(this.id, action), {});
  }

  private async send(method: string, path: string, body?: object): Promise<void> {
    this.showError('');
    try {
      await this.store.transport.request(method, path, body);
    } catch (error) {
      this.showError(`${this.id}: ${messageOf(error)}`);
    }
  }
}

/** Create an empty cell. In narrow layouts `data-title` is shown before its text. */
function createCell({ key, title, numeric }: Column): HTMLTableCellElement {
  if (key === 'name') {
    return h('th', { role: 'rowheader', scope: 'row', 'data-column': key });
  }
  const className = numeric ? 'a3s-number' : undefined;
  return h('td', { role: 'cell', class: className, 'data-column': key, 'data-title': title });
}

/** Draw a bar under the text of a cell, or remove it. The text has the same numbers. */
function showShare(cell: HTMLTableCellElement, share: number | null): void {
  cell.classList.toggle('a3s-share', share !== null);
  cell.style.setProperty('--a3s-share', share === null ? null : `${share * 100}%`);
}
