/** Code that uses a model, with a button to copy each. */

import { messageOf } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { button, h, setText } from '../dom.js';
import type { PanelHost } from '../host.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { type Snippet, snippets } from './snippets.js';

export class CodeView {
  readonly element: HTMLDetailsElement;
  private readonly choices = h('div', { class: 'a3s-tabs', role: 'group' });
  private readonly code = h('code');
  private readonly note = h('div', { class: 'a3s-quiet' });
  private readonly status = h('span', { class: 'a3s-note', role: 'status' });
  private found: readonly Snippet[];
  private chosen = 0;

  constructor(
    model: Model,
    private readonly baseUrl: string | null,
    private readonly host: PanelHost
  ) {
    this.found = snippets(model, baseUrl);
    this.choices.setAttribute('aria-label', trans.__('Kind of code'));
    this.choices.append(
      ...this.found.map(({ title }, i) =>
        button(title, () => this.choose(i), { 'aria-pressed': 'false' })
      )
    );
    const copy = button(trans.__('Copy'), () => void this.copy());
    copy.prepend(icon('copy'));
    const pre = h('pre', { class: 'a3s-code', tabindex: '0', dir: 'ltr' }, this.code);
    this.element = h(
      'details',
      { class: 'a3s-section' },
      h('summary', {}, trans.__('Use it in code')),
      this.choices,
      pre,
      this.note,
      h('div', { class: 'a3s-row' }, copy, this.status)
    );
    this.choose(0);
  }

  /** The capabilities of a model, and so its code, may be known better once it is loaded. */
  update(model: Model): void {
    const found = snippets(model, this.baseUrl);
    if (found.length === this.found.length) {
      this.found = found;
      this.showCode();
    }
  }

  private choose(index: number): void {
    this.chosen = index;
    this.showCode();
    setText(this.status, '');
    [...this.choices.children].forEach((child, i) =>
      child.setAttribute('aria-pressed', String(i === index))
    );
  }

  private showCode(): void {
    const { code = '', note = '' } = this.found[this.chosen] ?? {};
    setText(this.code, code);
    setText(this.note, note);
    this.note.hidden = note === '';
  }

  private async copy(): Promise<void> {
    try {
      await this.host.copy(this.found[this.chosen]?.code ?? '');
      setText(this.status, trans.__('Copied.'));
    } catch (error) {
      setText(this.status, messageOf(error));
    }
  }
}
