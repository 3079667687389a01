/** Count the tokens of attachments with the tokenizer of a loaded model. */

import type { Transport } from '../../api/transport.js';
import type { Attachment } from './attachment.js';
import { estimateTokens } from './contextUse.js';

export class AttachmentCounts {
  /** Tokens by model and attachment. */
  private readonly counts = new Map<string, WeakMap<Attachment, number>>();

  constructor(private readonly transport: Transport) {}

  /**
   * Call `show` with the tokens of each text: at once with what is known, later with what the server
   * has counted. `model` is the one that is loaded; null for none.
   */
  async count(
    attachments: readonly Attachment[],
    model: string | null,
    show: (attachment: Attachment, tokens: number, isCounted: boolean) => void
  ): Promise<void> {
    for (const attachment of attachments.filter(({ image }) => image === undefined)) {
      const known = model === null ? undefined : this.counts.get(model)?.get(attachment);
      show(attachment, known ?? estimateTokens(attachment.text), known !== undefined);
      if (model !== null && known === undefined) {
        await this.request(attachment, model).then(
          tokens => show(attachment, tokens, true),
          () => undefined // the estimate stays, for instance if the model was just unloaded
        );
      }
    }
  }

  private async request(attachment: Attachment, model: string): Promise<number> {
    const body = { model, content: attachment.text };
    const { count } = (await this.transport.request('POST', 'tokenize', body)) as { count: number };
    const counts = this.counts.get(model) ?? new WeakMap<Attachment, number>();
    this.counts.set(model, counts.set(attachment, count));
    return count;
  }
}
