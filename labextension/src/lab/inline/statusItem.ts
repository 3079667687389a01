/** The item of inline completion in the status bar: its model, and what it is doing. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { h, setText } from '../../views/dom.js';
import { icon } from '../../views/icons.js';
import type { StatusText } from './status.js';

export class InlineStatusItem extends Widget {
  private readonly name = h('span', { class: 'a3s-PowerStatus-name', dir: 'ltr' });
  private readonly word = h('span', { class: 'a3s-PowerStatus-value a3s-InlineStatus-word' });
  private readonly usual = icon('edit');
  private readonly problem = icon('error');
  private readonly button: HTMLButtonElement;
  private readonly activeChanged = new Signal<this, void>(this);
  private active = false;

  /** `onClick` is called with the place for a menu. */
  constructor(onClick: (place: DOMRect) => void) {
    super();
    this.addClass('a3s-PowerStatus');
    this.addClass('a3s-InlineStatus');
    this.addClass('jp-mod-highlighted');
    this.problem.hidden = true;
    this.button = h(
      'button',
      {
        type: 'button',
        class: 'jp-StatusBar-TextItem a3s-PowerStatus-button',
        'aria-haspopup': 'menu'
      },
      h('span', {}, this.usual, this.problem),
      this.name,
      this.word
    );
    this.button.addEventListener('click', () => onClick(this.button.getBoundingClientRect()));
    this.node.append(this.button);
  }

  /** Show a state, or nothing without a model. */
  display(name: string, { word, sentence, isProblem }: StatusText): void {
    const wasActive = this.active;
    this.active = name !== '';
    setText(this.name, name);
    setText(this.word, word);
    this.usual.hidden = isProblem;
    this.problem.hidden = !isProblem;
    this.button.setAttribute('aria-label', sentence);
    this.button.title = sentence;
    if (this.active !== wasActive) {
      this.activeChanged.emit();
    }
  }

  get isActive(): boolean {
    return this.active;
  }

  /** Emitted when `isActive` changes. */
  get activeStateChanged(): ISignal<this, void> {
    return this.activeChanged;
  }
}
