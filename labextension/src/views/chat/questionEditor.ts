/** A text field in place of a question that is edited. */

import { button, h } from '../dom.js';
import { trans } from '../i18n.js';
import { fitHeight, isEnter } from './textBox.js';

export class QuestionEditor {
  readonly element: HTMLElement;
  private readonly input: HTMLTextAreaElement;

  /** `onEnd` is called with the new text, or with null if it stays as it was. */
  constructor(text: string, note: string, onEnd: (text: string | null) => void) {
    this.input = h('textarea', { dir: 'auto', rows: '2', 'aria-label': trans.__('Question') });
    this.input.value = text;
    const ask = button(trans.__('Ask again'), () => this.submit(onEnd), {
      class: 'a3s-button a3s-primary'
    });
    const cancel = button(trans.__('Cancel'), () => onEnd(null));
    this.element = h(
      'div',
      { class: 'a3s-question-editor' },
      this.input,
      h('div', { class: 'a3s-quiet' }, note),
      h('div', { class: 'a3s-row' }, ask, cancel)
    );
    this.input.addEventListener('input', () => fitHeight(this.input));
    this.element.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation(); // it does not stop an answer
        onEnd(null);
      } else if (event.target === this.input && isEnter(event)) {
        event.preventDefault();
        this.submit(onEnd);
      }
    });
  }

  focus(): void {
    fitHeight(this.input);
    this.input.focus();
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
  }

  private submit(onEnd: (text: string | null) => void): void {
    const text = this.input.value.trim();
    if (text !== '') {
      onEnd(text);
    }
  }
}
