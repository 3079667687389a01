/** A row of the table of models. */

import { type Column, COLUMNS } from './columns.js';
import { button, h, setText } from './dom.js';
import { holdsMemory, type Model } from './state.js';
import { modelPath, type Transport } from './transport.js';

export class ModelRow {
  readonly element: HTMLTableRowElement;
  private readonly cells: readonly HTMLTableCellElement[];
  private readonly notes = h('div', { class: 'a3s-note' });
  private readonly error = h('div', { class: 'a3s-error' });
  private readonly load = button('Load', () => this.toggleLoaded());
  private readonly pin = button('Pin', () => this.togglePinned());
  private readonly remove: HTMLButtonElement;
  private readonly buttons: HTMLElement;
  private model: Model | null = null;

  /** `say` tells the person what went wrong. */
  constructor(
    private readonly id: string,
    private readonly transport: Transport,
    private readonly say: (text: string) => void
  ) {
    this.remove = button('Delete', () => this.ask(), { 'aria-label': `Delete ${id}` });
    this.buttons = h('div', { class: 'a3s-actions' }, this.load, this.pin, this.remove);
    this.cells = COLUMNS.map(cellOf);
    this.cells[0]?.append(h('span'), this.notes, this.error);
    const last = h('td', { role: 'cell', class: 'a3s-last' }, this.buttons);
    this.element = h('tr', { role: 'row' }, ...this.cells, last);
  }

  /** `now` is unix seconds. */
  update(model: Model, now: number): void {
    COLUMNS.forEach((column, i) => {
      const cell = this.cells[i];
      const place = i === 0 ? cell?.firstElementChild : cell;
      if (place) {
        setText(place, column.text(model, now));
      }
    });
    if (model === this.model) {
      return; // only the clock went on
    }
    this.model = model;
    setText(this.notes, (model.notes ?? []).join(' '));
    setText(this.error, model.error?.message ?? '');
    this.name(this.load, this.takesMemory ? 'Unload' : 'Load');
    this.load.disabled = model.state === 'unloading';
    this.name(this.pin, model.pinned ? 'Unpin' : 'Pin');
  }

  /** One button for both ways: it keeps the focus while the model changes. */
  private name(button: HTMLButtonElement, label: string): void {
    setText(button, label);
    button.setAttribute('aria-label', `${label} ${this.id}`);
  }

  private get takesMemory(): boolean {
    return this.model !== null && (holdsMemory(this.model) || this.model.state === 'loading');
  }

  private toggleLoaded(): void {
    this.post(this.takesMemory ? 'unload' : 'load');
  }

  private togglePinned(): void {
    this.post(this.model?.pinned ? 'unpin' : 'pin');
  }

  /** The question stands in the place of the buttons: no dialog can be lost behind a window. */
  private ask(): void {
    const back = () => {
      question.replaceWith(this.buttons);
      this.remove.focus();
    };
    const keep = button('Keep', back, { 'aria-label': `Keep ${this.id}` });
    const really = button(
      'Delete',
      () => {
        back();
        void this.send('DELETE', modelPath(this.id));
      },
      { class: 'a3s-button a3s-danger', 'aria-label': `Really delete ${this.id}` }
    );
    const question = h('div', { class: 'a3s-actions', role: 'group' }, 'Delete it?', really, keep);
    question.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        back();
      }
    });
    this.buttons.replaceWith(question);
    keep.focus();
  }

  private post(action: string): void {
    void this.send('POST', modelPath(this.id, action));
  }

  private async send(method: string, path: string): Promise<void> {
    this.say('');
    try {
      await this.transport.request(method, path, method === 'POST' ? {} : undefined);
    } catch (error) {
      this.say(`${this.id}: ${(error as Error).message}`);
    }
  }
}

/** An empty cell; the first one of a row is its head. `data-title` is for rows that are blocks. */
function cellOf({ key, title, numeric }: Column): HTMLTableCellElement {
  if (key === 'name') {
    return h('th', { role: 'rowheader', scope: 'row', 'data-column': key });
  }
  const style = numeric ? 'a3s-number' : undefined;
  return h('td', { role: 'cell', class: style, 'data-column': key, 'data-title': title });
}
