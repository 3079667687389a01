/** The box at the cursor in which the user says what code to write. */

import { Widget } from '@lumino/widgets';

import { button, h, root } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';

export class PromptBox extends Widget {
  private readonly input = h('textarea', {
    rows: '1',
    dir: 'auto',
    class: 'a3s-promptbox-input'
  });

  /** `onClose` is called when the user leaves the box without a question. */
  constructor(
    label: string,
    private readonly onSend: (question: string) => void,
    private readonly onClose: () => void
  ) {
    super({ node: root('a3s-promptbox') });
    this.input.placeholder = label;
    this.input.setAttribute('aria-label', label);
    const write = button(trans.__('Write'), () => this.send());
    const cancel = button(trans.__('Cancel'), () => this.leave());
    this.node.append(this.input, write, cancel);
    this.node.addEventListener('keydown', event => this.onKey(event), { capture: true });
    this.input.addEventListener('input', () => this.fitRows());
  }

  focus(): void {
    this.input.focus();
  }

  private fitRows(): void {
    this.input.rows = Math.min(8, this.input.value.split('\n').length);
  }

  private onKey(event: KeyboardEvent): void {
    const isEnter = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
    const isSend = isEnter && event.target === this.input;
    if (event.key === 'Escape' || isSend) {
      event.preventDefault();
      event.stopPropagation();
      if (isSend) {
        this.send();
      } else {
        this.leave();
      }
    }
  }

  private send(): void {
    const question = this.input.value.trim();
    if (question === '') {
      this.input.focus();
    } else {
      this.dispose();
      this.onSend(question);
    }
  }

  private leave(): void {
    this.dispose();
    this.onClose();
  }
}
