/** The status bar item, shown while a model is loaded, loading or being pulled. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { EMPTY, loadedModels, type State } from '../state/state.js';
import { describeModel, statusBarText } from '../views/summary.js';

export class StatusBarItem extends Widget {
  private readonly button = document.createElement('button');
  private readonly activeChanged = new Signal<this, void>(this);
  private enabled = true;
  private state: State = EMPTY;

  /** `onClick` receives the current state, and the button that was clicked. */
  constructor(onClick: (state: State, button: HTMLButtonElement) => void) {
    super();
    this.addClass('a3s-PowerStatus');
    this.addClass('jp-mod-highlighted');
    this.button.type = 'button';
    this.button.className = 'jp-StatusBar-TextItem a3s-PowerStatus-button';
    this.button.setAttribute('aria-haspopup', 'menu');
    this.button.addEventListener('click', () => onClick(this.state, this.button));
    this.button.addEventListener('pointerenter', () => this.updateTooltip());
    this.node.append(this.button);
  }

  /** Show `state`, or nothing while the server cannot be reached. */
  display(state: State, connected: boolean): void {
    this.change(() => {
      this.state = connected ? state : EMPTY;
      const text = statusBarText(this.state);
      this.button.textContent = text;
      this.button.setAttribute('aria-label', `${text}. Menu of loaded models.`);
    });
  }

  /** Enable or disable the item, as chosen in the settings. */
  setEnabled(enabled: boolean): void {
    this.change(() => {
      this.enabled = enabled;
    });
  }

  get isActive(): boolean {
    return this.enabled && statusBarText(this.state) !== '';
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

  /** Update the tooltip on demand, because it shows the time left for each model. */
  private updateTooltip(): void {
    const now = Date.now() / 1000;
    const lines = loadedModels(this.state.models).map(model => describeModel(model, now));
    this.button.title = lines.join('\n');
  }
}
