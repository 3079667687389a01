/** The item in the status bar: one button, there while a model is loaded or being loaded. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { loadedModels, type Models, NO_MODELS } from './events.js';
import { describe, summary } from './format.js';

export class PowerStatus extends Widget {
  private readonly button = document.createElement('button');
  private readonly activeChanged = new Signal<this, void>(this);
  private shown = NO_MODELS;

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

  get models(): Models {
    return this.shown;
  }

  set models(models: Models) {
    const wasActive = this.isActive;
    this.shown = models;
    const text = summary(models);
    this.button.textContent = text;
    this.button.setAttribute('aria-label', `${text}. Menu of loaded models.`);
    if (this.isActive !== wasActive) {
      this.activeChanged.emit();
    }
  }

  get isActive(): boolean {
    return summary(this.shown) !== '';
  }

  /** Emitted when the item comes or goes. */
  get activeStateChanged(): ISignal<this, void> {
    return this.activeChanged;
  }

  /** The tooltip says how long each model stays, so it is made when it is looked at. */
  private updateTooltip(): void {
    const now = Date.now() / 1000;
    const lines = loadedModels(this.shown).map(model => describe(model, now));
    this.button.title = lines.join('\n');
  }
}
