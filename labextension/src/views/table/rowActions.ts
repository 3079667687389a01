/** The buttons of a row: to chat with a model, load or unload, pin and delete it. */

import type { Model } from '../../api/types.js';
import { isActive } from '../../state/state.js';
import { button, h } from '../dom.js';
import { icon, type IconName } from '../icons.js';
import { trans } from '../i18n.js';

export type Action = 'chat' | 'load' | 'pin' | 'delete';

/** Each button has a fixed place, also where a model lacks the action. */
export class RowActions {
  readonly element = h('div', { class: 'a3s-actions' });
  private readonly buttons = new Map<Action, HTMLButtonElement>();
  private readonly shown = new Map<Action, string>();

  /** `actions` are the buttons to show, and `run` is called with the one that is clicked. */
  constructor(
    private readonly id: string,
    actions: readonly Action[],
    run: (action: Action) => void
  ) {
    for (const action of actions) {
      const element = button('', () => run(action), {
        class: 'a3s-button a3s-icon-button',
        'data-action': action
      });
      this.buttons.set(action, element);
      this.element.append(element);
    }
    this.show('chat', 'chat', trans.__('Chat with %1', id));
    this.show('delete', 'delete', trans.__('Delete %1', id));
  }

  update(model: Model): void {
    const { id } = this;
    if (model.state === 'loading') {
      this.show('load', 'cancel', trans.__('Stop loading %1', id));
    } else if (isActive(model)) {
      this.show('load', 'unload', trans.__('Unload %1', id));
    } else {
      this.show('load', 'load', trans.__('Load %1', id));
    }
    if (model.pinned) {
      this.show('pin', 'unpin', trans.__('Unpin %1', id), trans.__('let it be unloaded when idle'));
    } else {
      this.show('pin', 'pin', trans.__('Pin %1', id), trans.__('keep it in memory'));
    }
    this.enable('chat', model.capabilities?.includes('chat') ?? false);
    this.enable('load', model.state !== 'unloading');
  }

  focus(action: Action): void {
    this.buttons.get(action)?.focus();
  }

  /** Relabel a button, which keeps its focus because the same one serves both directions. */
  private show(action: Action, name: IconName, label: string, note = ''): void {
    const element = this.buttons.get(action);
    if (element === undefined || this.shown.get(action) === label) {
      return;
    }
    this.shown.set(action, label);
    element.replaceChildren(icon(name));
    element.setAttribute('aria-label', label);
    element.title = note ? `${label}: ${note}` : label;
  }

  /** Enable a button. A disabled one would lose the focus, so it only says that it is. */
  private enable(action: Action, isEnabled: boolean): void {
    const element = this.buttons.get(action);
    if (element !== undefined) {
      element.setAttribute('aria-disabled', String(!isEnabled));
      element.classList.toggle('a3s-unavailable', action === 'chat' && !isEnabled);
    }
  }
}
