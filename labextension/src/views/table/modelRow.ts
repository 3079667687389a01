/** A model in the table: its row, a message below it, and its details while it is unfolded. */

import { messageOf, modelPath, RequestError } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { isActive } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { ModelDetails } from '../details/modelDetails.js';
import { button, h, setText, uniqueId } from '../dom.js';
import type { PanelHost } from '../host.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { type Column, COLUMNS } from './columns.js';
import { deletionText, type Deletion } from './deletion.js';
import { divideName } from './names.js';
import { type Action, RowActions } from './rowActions.js';
import { RowMessage } from './rowMessage.js';

export class ModelRow {
  /** A group of rows, so that they move together. */
  readonly element: HTMLTableSectionElement;
  private readonly cells: readonly HTMLTableCellElement[];
  private readonly actions: RowActions;
  private readonly message: RowMessage;
  private readonly detailsCell = h('td', { role: 'cell', colspan: String(COLUMNS.length + 1) });
  private readonly detailsRow: HTMLTableRowElement;
  private readonly unfoldButton: HTMLButtonElement;
  private details: ModelDetails | null = null;
  private model: Model | null = null;
  /** Why the last action failed. */
  private failure = '';

  constructor(
    private readonly id: string,
    private readonly store: Store,
    private readonly host: PanelHost
  ) {
    const detailsId = uniqueId();
    this.unfoldButton = button('', () => this.toggleDetails(), {
      class: 'a3s-button a3s-icon-button a3s-unfold',
      title: trans.__('Details'),
      'aria-label': trans.__('Details of %1', id),
      'aria-expanded': 'false',
      'aria-controls': detailsId
    });
    this.unfoldButton.append(icon('caretRight'));
    const possible: Action[] = ['load', 'pin', 'delete'];
    if (host.openChat !== undefined) {
      possible.unshift('chat');
    }
    this.actions = new RowActions(id, possible, action => this.run(action));
    this.message = new RowMessage(id, COLUMNS.length + 1);
    this.cells = COLUMNS.map(column => createCell(column, id));
    this.cells[0]?.append(h('div', { class: 'a3s-name' }, this.unfoldButton, createName(id)));
    const last = h('td', { role: 'cell', class: 'a3s-last' }, this.actions.element);
    this.detailsRow = h(
      'tr',
      { role: 'row', class: 'a3s-details-row', id: detailsId, hidden: true },
      this.detailsCell
    );
    this.element = h(
      'tbody',
      { role: 'rowgroup', class: 'a3s-model' },
      h('tr', { role: 'row' }, ...this.cells, last),
      this.message.row,
      this.detailsRow
    );
  }

  /** Show `model` at `now`, in Unix seconds. */
  update(model: Model, now: number): void {
    this.details?.update(model, now);
    this.cells.forEach((cell, i) => {
      const column = COLUMNS[i];
      if (column === undefined || column.key === 'name') {
        return;
      }
      const text = column.text(model, now);
      setText(cell, text);
      showShare(cell, column.share?.(model) ?? null);
      cell.title = [column.hint?.(model), text].find(Boolean) ?? '';
    });
    if (model === this.model) {
      return; // Only the time has changed.
    }
    this.model = model;
    const [name] = this.cells;
    if (name !== undefined) {
      name.title = [model.id, model.capabilities?.join(', ')].filter(Boolean).join('\n');
    }
    this.element.dataset['state'] = model.state;
    this.element.classList.toggle('a3s-active', isActive(model));
    this.actions.update(model);
    this.showMessage();
  }

  /** Put the focus on the button of an action. */
  focus(action: Action): void {
    this.actions.focus(action);
  }

  dispose(): void {
    this.details?.dispose();
    this.details = null;
    this.element.remove();
  }

  private toggleDetails(): void {
    if (this.details === null) {
      this.details = new ModelDetails(this.id, this.store, this.host);
      this.detailsCell.replaceChildren(this.details.element);
      if (this.model !== null) {
        this.details.update(this.model, Date.now() / 1000);
      }
    } else {
      this.details.dispose();
      this.details = null;
      this.detailsCell.replaceChildren();
    }
    const isUnfolded = this.details !== null;
    this.detailsRow.hidden = !isUnfolded;
    this.unfoldButton.setAttribute('aria-expanded', String(isUnfolded));
    this.unfoldButton.replaceChildren(icon(isUnfolded ? 'caretDown' : 'caretRight'));
  }

  private run(action: Action): void {
    const model = this.model;
    if (model === null) {
      return;
    }
    switch (action) {
      case 'chat':
        if (model.capabilities?.includes('chat')) {
          this.host.openChat?.(this.id);
        }
        break;
      case 'load':
        if (!isActive(model)) {
          void this.send('POST', modelPath(this.id, 'load'));
        } else if (model.state !== 'unloading') {
          void this.send('POST', modelPath(this.id, 'unload'));
        }
        break;
      case 'pin':
        void this.send('POST', modelPath(this.id, model.pinned ? 'unpin' : 'pin'));
        break;
      case 'delete':
        void this.askToDelete();
        break;
    }
  }

  /** Ask below the row, since not every host shows dialogs, and say what is freed and what stays. */
  private async askToDelete(): Promise<void> {
    const isBusy = this.model?.state === 'busy';
    const question = [trans.__('Delete %1?', this.id), isBusy && this.busyText()]
      .filter(Boolean)
      .join(' ');
    this.message.ask({
      text: question,
      confirm: isBusy ? trans.__('Stop and delete') : trans.__('Delete'),
      onConfirm: () => void this.send('DELETE', modelPath(this.id), isBusy),
      onCancel: () => this.closeQuestion('delete')
    });
    try {
      const path = `${modelPath(this.id)}?deletion=true`;
      const reply = (await this.store.transport.request('GET', path)) as { deletion: Deletion };
      this.message.explain(`${question} ${deletionText(reply.deletion)}`);
    } catch (error) {
      this.message.explain(`${question} ${messageOf(error)}`);
    }
  }

  /** Ask whether to stop the requests of a busy model, which an action would do. */
  private askToForce(method: string, path: string): void {
    const isDeletion = method === 'DELETE';
    this.message.ask({
      text: this.busyText(),
      confirm: isDeletion ? trans.__('Stop and delete') : trans.__('Stop and unload'),
      onConfirm: () => void this.send(method, path, true),
      onCancel: () => this.closeQuestion(isDeletion ? 'delete' : 'load')
    });
  }

  private busyText(): string {
    const { requests_running = 0, requests_waiting = 0 } = this.model ?? {};
    return trans._n(
      'It is answering %1 request, which is stopped.',
      'It is answering %1 requests, which are stopped.',
      Math.max(1, requests_running + requests_waiting)
    );
  }

  private closeQuestion(action: Action): void {
    this.actions.focus(action);
    this.showMessage();
  }

  private async send(method: string, path: string, isForced = false): Promise<void> {
    this.failure = '';
    this.showMessage();
    if (method === 'DELETE') {
      this.actions.focus('delete'); // until the row is gone
    }
    try {
      const body = method === 'POST' ? {} : undefined;
      await this.store.transport.request(method, isForced ? `${path}?force=true` : path, body);
    } catch (error) {
      if (error instanceof RequestError && error.code === 'model_busy' && !isForced) {
        this.askToForce(method, path);
        return;
      }
      this.failure = messageOf(error);
      this.showMessage();
    }
  }

  /** Show why the last action failed, or why the model could not be loaded. */
  private showMessage(): void {
    this.message.showError(this.failure || (this.model?.error?.message ?? ''));
  }
}

/** Create an empty cell. In narrow layouts `data-title` is shown before its text. */
function createCell({ key, title, numeric }: Column, id: string): HTMLTableCellElement {
  if (key === 'name') {
    const attributes = { role: 'rowheader', scope: 'row', 'data-column': key, 'aria-label': id };
    return h('th', attributes);
  }
  const className = numeric ? 'a3s-number' : undefined;
  return h('td', { role: 'cell', class: className, 'data-column': key, 'data-title': title() });
}

/** Create the text of a name, of which CSS cuts the start where it is too long. */
function createName(id: string): HTMLElement {
  const [start, end] = divideName(id);
  const text = h('span', { class: 'a3s-name-text', dir: 'auto' });
  text.append(h('span', { class: 'a3s-name-start' }, start));
  if (end !== '') {
    text.append(h('span', { class: 'a3s-name-end' }, end));
  }
  return text;
}

/** Draw a bar under the text of a cell, or remove it. The text has the same numbers. */
function showShare(cell: HTMLTableCellElement, share: number | null): void {
  cell.classList.toggle('a3s-share', share !== null);
  cell.style.setProperty('--a3s-share', share === null ? null : `${share * 100}%`);
}
