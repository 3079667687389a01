/** The item in the status bar: one button, there while a model is loaded, being loaded or pulled. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { loadedModels, NOTHING, type State } from './state.js';
import { describe, summary } from './summary.js';

export class PowerStatus extends Widget {
  private readonly button = document.createElement('button');
  private readonly activeChanged = new Signal<this, void>(this);
  private allowed = true;
  state: State = NOTHING;

  /** `onClick` is given the button, to open a menu beside it. */
  constructor(onClick: (button: HTMLButtonElement) => void) {
    super();
    this.addClass('a3s-PowerStatus');
    this.addClass('jp-mod-highlighted');
    this.button.type = 'button';
    this.button.className = 'jp-StatusBar-TextItem a3s-PowerStatus-button';
    this.button.setAttribute('aria-haspopup', 'menu');
    this.button.addEventListener('click', () => onClick(this.button));
    this.button.addEventListener('pointerenter', () => this.updateTooltip());
    this.node.append(this.button);
  }

  /** Show nothing while it is not known how things are. */
  display(state: State, connected: boolean): void {
    this.change(() => {
      this.state = connected ? state : NOTHING;
      const text = summary(this.state);
      this.button.textContent = text;
      this.button.setAttribute('aria-label', `${text}. Menu of loaded models.`);
    });
  }

  /** Whether it may be there at all. */
  allow(allowed: boolean): void {
    this.change(() => {
      this.allowed = allowed;
    });
  }

  private change(act: () => void): void {
    const wasActive = this.isActive;
    act();
    if (this.isActive !== wasActive) {
      this.activeChanged.emit();
    }
  }

  get isActive(): boolean {
    return this.allowed && summary(this.state) !== '';
  }

  /** Emitted when the item comes or goes. */
  get activeStateChanged(): ISignal<this, void> {
    return this.activeChanged;
  }

  /** The tooltip says how long each model stays, so it is made when it is looked at. */
  private updateTooltip(): void {
    const now = Date.now() / 1000;
    const lines = loadedModels(this.state.models).map(model => describe(model, now));
    this.button.title = lines.join('\n');
  }
}
