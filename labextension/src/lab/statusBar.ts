/** The status bar item, shown while a model is loaded, loading or being pulled. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { EMPTY, type State } from '../state/state.js';
import { h, setText } from '../views/dom.js';
import { trans } from '../views/i18n.js';
import { icon } from '../views/icons.js';
import {
  type StatusPart,
  statusSentence,
  statusText,
  type StatusText
} from '../views/statusText.js';
import { modelsIcon } from './icons.js';

/** A name and a value, whose place is as wide as its longest text. */
class Part {
  readonly element: HTMLElement;
  private readonly name = h('span', { class: 'a3s-PowerStatus-name', dir: 'ltr' });
  private readonly value: HTMLElement;

  constructor(valueClass: string, ...symbol: Node[]) {
    this.value = h('span', { class: `a3s-PowerStatus-value ${valueClass}` });
    this.element = h('span', { class: 'a3s-PowerStatus-part' }, ...symbol, this.name, this.value);
  }

  show(part: StatusPart | null): void {
    this.element.hidden = part === null;
    setText(this.name, part?.name ?? '');
    setText(this.value, part?.value ?? '');
  }
}

export class StatusBarItem extends Widget {
  private readonly models = new Part('a3s-PowerStatus-speed');
  private readonly pulls = new Part('a3s-PowerStatus-percent', icon('download'));
  private readonly button: HTMLButtonElement;
  private readonly activeChanged = new Signal<this, void>(this);
  private enabled = true;
  private text: StatusText = statusText(EMPTY);

  /** `onClick` is called with the item, which is the anchor of the popup. */
  constructor(onClick: (item: StatusBarItem) => void) {
    super();
    this.addClass('a3s-PowerStatus');
    this.addClass('jp-mod-highlighted');
    this.button = h(
      'button',
      {
        type: 'button',
        class: 'jp-StatusBar-TextItem a3s-PowerStatus-button',
        'aria-haspopup': 'dialog',
        'aria-expanded': 'false'
      },
      modelsIcon.element({ stylesheet: 'statusBar', tag: 'span' }),
      this.models.element,
      this.pulls.element
    );
    this.button.addEventListener('click', () => onClick(this));
    this.node.append(this.button);
  }

  /** Show `state`, or nothing while the server cannot be reached. */
  display(state: State, connected: boolean): void {
    this.change(() => {
      this.text = statusText(connected ? state : EMPTY);
      this.models.show(this.text.models);
      this.pulls.show(this.text.pulls);
      const sentence = statusSentence(this.text);
      this.button.setAttribute('aria-label', trans.__('Power: %1. Show details.', sentence));
      this.button.title = trans.__('Power: %1', sentence);
    });
  }

  /** Enable or disable the item, as chosen in the settings. */
  setEnabled(enabled: boolean): void {
    this.change(() => {
      this.enabled = enabled;
    });
  }

  /** Say whether the popup is open. When it closes, the item takes the focus from it. */
  setExpanded(expanded: boolean, takesFocus = false): void {
    this.button.setAttribute('aria-expanded', String(expanded));
    if (takesFocus) {
      this.button.focus();
    }
  }

  get isActive(): boolean {
    return this.enabled && (this.text.models !== null || this.text.pulls !== null);
  }

  /** Emitted when `isActive` changes. */
  get activeStateChanged(): ISignal<this, void> {
    return this.activeChanged;
  }

  private change(apply: () => void): void {
    const wasActive = this.isActive;
    apply();
    if (this.isActive !== wasActive) {
      this.activeChanged.emit();
    }
  }
}
