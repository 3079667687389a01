/** The chat template of a model, read from the server when it is unfolded. */

import { messageOf, modelPath } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';

export class TemplateView {
  readonly element: HTMLDetailsElement;
  private readonly text = h('pre', { class: 'a3s-code', tabindex: '0', dir: 'auto' });
  private readonly latest = new Latest();

  constructor(
    private readonly id: string,
    private readonly store: Store
  ) {
    const title = h('summary', {}, trans.__('Chat template'));
    this.element = h('details', { class: 'a3s-section' }, title, this.text);
    this.element.addEventListener('toggle', () => {
      if (this.element.open) {
        this.latest.schedule(signal => this.read(signal));
      }
    });
  }

  dispose(): void {
    this.latest.cancel();
  }

  private async read(signal: AbortSignal): Promise<void> {
    const path = `${modelPath(this.id)}?template=true`;
    try {
      const request = this.store.transport.request('GET', path, undefined, signal);
      const { template } = (await request) as Model;
      setText(this.text, template ?? trans.__('The model has none.'));
    } catch (error) {
      if (!signal.aborted) {
        setText(this.text, messageOf(error));
      }
    }
  }
}
