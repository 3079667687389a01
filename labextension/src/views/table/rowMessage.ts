/** A message or a question below the row of a model. */

import { button, h, setText } from '../dom.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';

export interface Question {
  readonly text: string;
  /** Label of the button that confirms. */
  readonly confirm: string;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
}

export class RowMessage {
  readonly row: HTMLTableRowElement;
  private readonly text = h('span', { class: 'a3s-message-text', dir: 'auto' });
  private readonly buttons = h('span', { class: 'a3s-message-buttons' });
  private readonly box: HTMLElement;
  private hasQuestion = false;
  /** The error that the user has dismissed. */
  private dismissed = '';

  constructor(
    private readonly id: string,
    columns: number
  ) {
    // The buttons come first, so that they do not move when the text changes.
    this.box = h('div', { class: 'a3s-message-box' }, this.buttons, this.text);
    const cell = h('td', { role: 'cell', colspan: String(columns) }, this.box);
    this.row = h('tr', { role: 'row', class: 'a3s-message-row', hidden: true }, cell);
  }

  /** Show an error until it is dismissed, or remove it if it is empty. A question stays. */
  showError(message: string): void {
    if (this.hasQuestion || (message !== '' && message === this.dismissed)) {
      return;
    }
    this.dismissed = '';
    this.row.hidden = message === '';
    if (message === '') {
      setText(this.text, '');
      return;
    }
    this.box.setAttribute('role', 'alert');
    this.box.classList.add('a3s-error');
    if (this.text.textContent !== message) {
      setText(this.text, message);
      const label = trans.__('Dismiss the message about %1', this.id);
      const dismiss = button('', () => this.dismiss(message), {
        class: 'a3s-button a3s-icon-button',
        'aria-label': label,
        title: trans.__('Dismiss')
      });
      dismiss.append(icon('cancel'));
      this.buttons.replaceChildren(dismiss);
    }
  }

  /** Ask a question in place of any message. Escape cancels it. */
  ask(question: Question): void {
    this.hasQuestion = true;
    this.row.hidden = false;
    this.box.setAttribute('role', 'group');
    this.box.classList.remove('a3s-error');
    const answer = (callback: () => void) => () => {
      this.close();
      callback();
    };
    const confirm = button(question.confirm, answer(question.onConfirm), {
      class: 'a3s-button a3s-danger',
      'aria-label': `${question.confirm}: ${this.id}`
    });
    const keep = button(trans.__('Keep'), answer(question.onCancel), {
      'aria-label': trans.__('Keep %1', this.id)
    });
    this.box.onkeydown = event => {
      if (event.key === 'Escape') {
        answer(question.onCancel)();
      }
    };
    this.buttons.replaceChildren(confirm, keep);
    setText(this.text, question.text);
    keep.focus();
  }

  /** Change the text of the question that is shown. */
  explain(text: string): void {
    if (this.hasQuestion) {
      setText(this.text, text);
    }
  }

  private close(): void {
    this.hasQuestion = false;
    this.box.onkeydown = null;
    this.row.hidden = true;
    this.buttons.replaceChildren();
    setText(this.text, '');
  }

  private dismiss(message: string): void {
    this.dismissed = message;
    this.row.hidden = true;
  }
}
