/** Add models to the server: a form that pulls one by its reference. */

import { messageOf } from '../../api/transport.js';
import type { Store } from '../../state/store.js';
import { h, setText, uniqueId } from '../dom.js';
import type { PanelHost } from '../host.js';
import { trans } from '../i18n.js';

export class FindView {
  readonly element: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });

  constructor(
    _store: Store,
    private readonly host: PanelHost
  ) {
    const id = uniqueId();
    this.input = h('input', {
      id,
      type: 'text',
      placeholder: 'owner/repo:TAG',
      spellcheck: 'false'
    });
    const form = h(
      'form',
      { class: 'a3s-row' },
      h('label', { for: id }, trans.__('Model to pull')),
      this.input,
      h('button', { type: 'submit', class: 'a3s-button' }, trans.__('Pull'))
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.pull();
    });
    this.element = h('div', { class: 'a3s-find' }, form, this.error);
  }

  /** Put the focus on the first field. */
  focus(): void {
    this.input.focus();
  }

  dispose(): void {
    this.element.remove();
  }

  /** Start a pull of the model named in the input, and clear it if the server accepts it. */
  private async pull(): Promise<void> {
    const name = this.input.value.trim();
    if (name === '') {
      return;
    }
    try {
      await this.host.pull(name);
      setText(this.error, '');
      this.input.value = '';
    } catch (error) {
      setText(this.error, messageOf(error));
    }
  }
}
