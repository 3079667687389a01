/** The attachments of a question that is written, each with its tokens and a button to remove it. */

import { button, h } from '../dom.js';
import { formatNumber } from '../format.js';
import { trans } from '../i18n.js';
import { icon } from '../icons.js';
import type { Attachment } from './attachment.js';
import { isSafeImage } from './images.js';

export class AttachmentChips {
  readonly element = h('ul', {
    class: 'a3s-chips',
    'aria-label': trans.__('Attached'),
    hidden: true
  });
  private readonly texts = new Map<Attachment, HTMLElement>();

  /** `onRemove` is called when the user removes an attachment. */
  constructor(private readonly onRemove: (attachment: Attachment) => void) {}

  show(attachments: readonly Attachment[]): void {
    this.texts.clear();
    this.element.replaceChildren(...attachments.map(attachment => this.chip(attachment)));
    this.element.hidden = attachments.length === 0;
  }

  /** Show the tokens of a text. `isCounted` is that the server has counted them. */
  showTokens(attachment: Attachment, tokens: number, isCounted: boolean): void {
    const text = this.texts.get(attachment);
    if (text !== undefined) {
      text.textContent = `${isCounted ? '' : '≈ '}${formatNumber(tokens)}`;
      text.title = trans._n('%1 token', '%1 tokens', tokens);
    }
  }

  private chip(attachment: Attachment): HTMLElement {
    const { title, image, text, cut } = attachment;
    const remove = button('', () => this.onRemove(attachment), {
      class: 'a3s-button a3s-icon-button',
      title: trans.__('Remove'),
      'aria-label': trans.__('Remove %1', title)
    });
    remove.append(icon('cancel'));
    const picture =
      image !== undefined && isSafeImage(image)
        ? [h('img', { class: 'a3s-chip-image', src: image, alt: '' })]
        : [];
    const tokens = h('span', { class: 'a3s-quiet' });
    this.texts.set(attachment, tokens);
    const note = cut === '' ? [] : [h('span', { class: 'a3s-chip-cut' }, cut)];
    return h(
      'li',
      { class: 'a3s-chip', title: text.slice(0, 1000) },
      ...picture,
      h('span', { class: 'a3s-chip-title', dir: 'auto' }, title),
      tokens,
      ...note,
      remove
    );
  }
}
