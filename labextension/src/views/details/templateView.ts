/** The chat template of a model, read from the server when it is unfolded. */

import { messageOf, modelPath } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { h, setText } from '../dom.js';
import { trans } from '../i18n.js';

export class TemplateView {
  readonly element: HTMLDetailsElement;
  private readonly text = h('pre', { class: 'a3s-code', tabindex: '0', dir: 'auto' });
  private controller: AbortController | null = null;

  constructor(
    private readonly id: string,
    private readonly store: Store
  ) {
    const title = h('summary', {}, trans.__('Chat template'));
    this.element = h('details', { class: 'a3s-section' }, title, this.text);
    this.element.addEventListener('toggle', () => {
      if (this.element.open) {
        void this.read();
      }
    });
  }

  dispose(): void {
    this.controller?.abort();
  }

  private async read(): Promise<void> {
    this.dispose();
    const controller = new AbortController();
    this.controller = controller;
    const path = `${modelPath(this.id)}?template=true`;
    try {
      const request = this.store.transport.request('GET', path, undefined, controller.signal);
      const { template } = (await request) as Model;
      setText(this.text, template ?? trans.__('The model has none.'));
    } catch (error) {
      if (!controller.signal.aborted) {
        setText(this.text, messageOf(error));
      }
    }
  }
}
