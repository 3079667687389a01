/** The attachments of a question in a saved notebook, like `widgets/attached.py` in Python. */

import type { Attachment } from '../chat/attachment.js';
import { isSafeImage } from '../chat/images.js';
import { escape } from './markup.js';

/** Most characters of an attached text. The HTML is saved again with each output of the chat. */
const MAX_TEXT = 4_000;

/** Most characters of all images of a conversation, which are data URLs. */
const MAX_IMAGES = 2_000_000;

/** Counts the characters that are left for the images of a conversation. */
export class Room {
  private left = MAX_IMAGES;

  /** Return whether an image is short enough, and count it if it is. */
  take(image: string): boolean {
    if (image.length > this.left) {
      return false;
    }
    this.left -= image.length;
    return true;
  }
}

/** Return HTML: the title, which unfolds to the text, or the image, if there is room for it. */
export function attachedMarkup(attachment: Attachment, room: Room): string {
  const { image } = attachment;
  const title = escape(attachment.title);
  if (image === undefined || !isSafeImage(image)) {
    return folded(attachment, title);
  }
  if (!room.take(image)) {
    return `<div dir="auto"><small>${title} (too large to be saved here)</small></div>`;
  }
  const picture = `<img alt="" src="${image}" style="max-width: 100%; max-height: 20em">`;
  return `<div dir="auto">${picture}<br><small>${title}</small></div>`;
}

/** Return the titles in one line; '' if there are none. */
export function attachedLine(attachments: readonly Attachment[]): string {
  const titles = attachments.map(({ title }) => title.replace(/\s+/g, ' ').trim()).join(', ');
  return titles === '' ? '' : `Attached: ${titles}`;
}

function folded({ text, cut, image }: Attachment, title: string): string {
  const whole = Array.from(image ?? text);
  const shown = whole.length <= MAX_TEXT ? whole : [...whole.slice(0, MAX_TEXT), '\n…'];
  const note = cut === '' ? '' : `<small>${escape(cut)}</small>`;
  const block = `<pre style="white-space: pre-wrap">${escape(shown.join(''))}</pre>`;
  return `<details><summary dir="auto">${title}</summary>${note}${block}</details>`;
}
