/** Ways out for a conversation that does not fit into the context of its model. */

import { messageOf, modelPath, type Transport } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { button, h } from '../dom.js';
import { formatNumber } from '../format.js';
import { trans } from '../i18n.js';
import { largerContext } from './contextUse.js';

export class FullContext {
  private readonly larger = button('', () => void this.load());
  readonly element: HTMLElement;
  private model: Model | undefined;
  private size = 0;

  constructor(
    private readonly transport: Transport,
    newChat: () => void,
    private readonly report: (error: string) => void
  ) {
    const begin = button(trans.__('New chat'), newChat);
    this.element = h('div', { class: 'a3s-row', hidden: true }, begin, this.larger);
  }

  /** Show the ways out of a prompt of as many tokens, or hide them. */
  update(isShown: boolean, model: Model | undefined, tokens: number): void {
    this.element.hidden = !isShown;
    this.model = model;
    this.size = largerContext(model, tokens) ?? 0;
    this.larger.hidden = this.size === 0;
    this.larger.textContent = trans.__('Load with %1 tokens', formatNumber(this.size));
  }

  private async load(): Promise<void> {
    const { model, size, larger } = this;
    if (model === undefined) {
      return;
    }
    larger.disabled = true;
    try {
      await this.transport.request('POST', modelPath(model.id, 'load'), { num_ctx: size });
      this.report('');
    } catch (error) {
      this.report(messageOf(error));
    } finally {
      larger.disabled = false;
    }
  }
}
