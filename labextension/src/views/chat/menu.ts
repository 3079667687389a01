/** A button that opens a menu, which works with the arrow keys. */

import { h } from '../dom.js';
import { icon, type IconName } from '../icons.js';

export interface MenuItem {
  readonly label: string;
  readonly isEnabled: boolean;
  readonly run: () => void;
}

export class Menu {
  readonly element: HTMLElement;
  readonly button: HTMLButtonElement;
  private readonly list: HTMLElement;

  /** `items` is called each time the menu opens. */
  constructor(
    name: IconName,
    label: string,
    private readonly items: () => readonly MenuItem[]
  ) {
    this.button = h(
      'button',
      {
        type: 'button',
        class: 'a3s-button a3s-icon-button',
        title: label,
        'aria-label': label,
        'aria-haspopup': 'menu',
        'aria-expanded': 'false'
      },
      icon(name)
    );
    this.list = h('div', { class: 'a3s-menu', role: 'menu', 'aria-label': label, hidden: true });
    this.element = h('div', { class: 'a3s-menu-anchor' }, this.button, this.list);
    this.button.addEventListener('click', () => {
      if (this.list.hidden) {
        this.open();
      } else {
        this.close();
      }
    });
    this.element.addEventListener('keydown', event => this.onKey(event));
    this.element.addEventListener('focusout', event => {
      if (!this.element.contains(event.relatedTarget as Node | null)) {
        this.close();
      }
    });
  }

  private open(): void {
    this.list.replaceChildren(...this.items().map(item => this.entry(item)));
    this.list.hidden = false;
    this.button.setAttribute('aria-expanded', 'true');
    this.entries()[0]?.focus();
  }

  private close(): void {
    this.list.hidden = true;
    this.button.setAttribute('aria-expanded', 'false');
  }

  private entry({ label, isEnabled, run }: MenuItem): HTMLElement {
    const entry = h(
      'div',
      {
        class: 'a3s-menu-item',
        role: 'menuitem',
        tabindex: '-1',
        dir: 'auto',
        'aria-disabled': String(!isEnabled)
      },
      label
    );
    entry.addEventListener('click', () => {
      if (isEnabled) {
        this.button.focus();
        this.close();
        run();
      }
    });
    return entry;
  }

  private entries(): HTMLElement[] {
    return [...this.list.querySelectorAll<HTMLElement>('[role=menuitem]')];
  }

  private onKey(event: KeyboardEvent): void {
    if (this.list.hidden) {
      return;
    }
    const entries = this.entries();
    const index = entries.findIndex(entry => entry === event.target);
    const targets: Readonly<Record<string, number>> = {
      ArrowDown: (index + 1) % entries.length,
      ArrowUp: (index - 1 + entries.length) % entries.length,
      Home: 0,
      End: entries.length - 1
    };
    const target = targets[event.key];
    if (target !== undefined) {
      entries[target]?.focus();
    } else if (event.key === 'Escape') {
      this.button.focus();
      this.close();
    } else if (event.key === 'Enter' || event.key === ' ') {
      entries[index]?.click();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
