/** A widget that loads its content when it is first shown. */

import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { messageOf } from '../api/transport.js';
import { h } from '../views/dom.js';

/** What a widget shows. */
export interface Content {
  readonly element: HTMLElement;
  focus(): void;
  dispose(): void;
}

export class LazyWidget<T extends Content> extends Widget {
  private loading: Promise<T> | null = null;
  private content: T | null = null;

  constructor(private readonly create: () => Promise<T>) {
    super();
    this.node.tabIndex = -1; // Focusable, because the shell makes the focused widget current.
  }

  /** The content, if it is loaded. */
  get loaded(): T | null {
    return this.content;
  }

  /** Load the content. Rejects if its code cannot be loaded. */
  load(): Promise<T> {
    this.loading ??= this.begin();
    return this.loading;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.content?.dispose();
      this.content = null;
      super.dispose();
    }
  }

  protected override onAfterAttach(_message: Message): void {
    if (this.isVisible) {
      this.show_();
    }
  }

  protected override onAfterShow(_message: Message): void {
    this.show_();
  }

  protected override onActivateRequest(_message: Message): void {
    this.node.focus();
    void this.focusContent();
  }

  protected override onCloseRequest(_message: Message): void {
    this.dispose();
  }

  private show_(): void {
    this.load().catch((error: unknown) => {
      this.loading = null; // another try, when it is shown again
      this.node.replaceChildren(h('p', { class: 'a3s-error', role: 'alert' }, messageOf(error)));
    });
  }

  /** Focus the content when it is loaded, unless the user does something else meanwhile. */
  private async focusContent(): Promise<void> {
    const input = new AbortController();
    const options = { capture: true, signal: input.signal };
    for (const type of ['keydown', 'pointerdown']) {
      document.addEventListener(type, () => input.abort(), options);
    }
    const content = await this.load().catch(() => null); // `show_` says why
    // The palette, when its command has run, activates the document that it was opened from.
    await new Promise(resolve => setTimeout(resolve));
    if (!input.signal.aborted) {
      input.abort();
      content?.focus();
    }
  }

  private async begin(): Promise<T> {
    const content = await this.create();
    if (this.isDisposed) {
      content.dispose();
    } else {
      this.content = content;
      this.node.replaceChildren(content.element);
    }
    return content;
  }
}
