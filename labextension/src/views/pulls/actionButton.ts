/** A button of a pull, which keeps its place and its focus when it gets another action. */

import { button } from '../dom.js';
import { icon, type IconName } from '../icons.js';
import { trans } from '../i18n.js';
import type { LastAction, MainAction } from './pulls.js';

type Action = MainAction | LastAction;

const ICONS: Readonly<Record<Action, IconName>> = {
  start: 'download',
  pause: 'pause',
  resume: 'load',
  retry: 'retry',
  cancel: 'cancel',
  dismiss: 'cancel'
};

/** Return what the button is called, and its label, which has the name of the pull. */
function texts(action: Action, name: string): [string, string] {
  switch (action) {
    case 'start':
      return [trans.__('Pull'), trans.__('Pull %1', name)];
    case 'pause':
      return [trans.__('Pause'), trans.__('Pause %1', name)];
    case 'resume':
      return [trans.__('Resume'), trans.__('Resume %1', name)];
    case 'retry':
      return [trans.__('Retry'), trans.__('Retry %1', name)];
    case 'cancel':
      return [trans.__('Cancel'), trans.__('Cancel %1', name)];
    case 'dismiss':
      return [trans.__('Dismiss'), trans.__('Dismiss %1', name)];
  }
}

export class ActionButton {
  readonly element: HTMLButtonElement;
  private label = '';

  constructor(onClick: () => void) {
    this.element = button('', onClick, { class: 'a3s-button a3s-icon-button a3s-absent' });
  }

  get isShown(): boolean {
    return this.label !== '';
  }

  /** Show an action for the pull `name`, or keep the place empty. */
  show(action: Action | null, name: string): void {
    const [title, label] = action === null ? ['', ''] : texts(action, name);
    if (label === this.label) {
      return;
    }
    this.label = label;
    this.element.classList.toggle('a3s-absent', action === null);
    this.element.title = title;
    this.element.setAttribute('aria-label', label);
    this.element.replaceChildren(...(action === null ? [] : [icon(ICONS[action])]));
  }
}
