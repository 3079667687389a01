/** Questions with attachments, as messages in the format of OpenAI's API. */

import type { Attachment } from './attachment.js';
import type { Message } from './chatCompletion.js';
import { contentOf } from './messageText.js';

/** What a message keeps about an attachment. Its text is a part of the content. */
export interface AttachmentNote {
  readonly kind: Attachment['kind'];
  readonly title: string;
  readonly language: string;
  readonly cut: string;
  /** Index of its part in the content. */
  readonly part: number;
}

interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

interface ImagePart {
  readonly type: 'image_url';
  readonly image_url: { readonly url: string };
}

const KINDS = ['cell', 'selection', 'output', 'error', 'variable', 'file', 'image'];

/** Return the message of a question: texts of attachments, then the question, then images. */
export function asQuestion(text: string, attachments: readonly Attachment[]): Message {
  if (attachments.length === 0) {
    return { role: 'user', content: text };
  }
  const images = attachments.filter(({ image }) => image !== undefined);
  const texts = attachments.filter(({ image }) => image === undefined);
  const content: (TextPart | ImagePart)[] = [
    ...texts.map(textPart),
    { type: 'text', text },
    ...images.map(({ image = '' }) => ({ type: 'image_url' as const, image_url: { url: image } }))
  ];
  const notes = [
    ...texts.map((attachment, index) => noteOf(attachment, index)),
    ...images.map((attachment, index) => noteOf(attachment, texts.length + 1 + index))
  ];
  return { role: 'user', content, attachments: notes };
}

function textPart({ title, text, language }: Attachment): TextPart {
  const ticks = [...text.matchAll(/`{3,}/g)].map(([run]) => run.length);
  const fence = '`'.repeat(Math.max(3, ...ticks.map(length => length + 1)));
  return { type: 'text', text: `${title}:\n${fence}${language}\n${text}\n${fence}\n\n` };
}

function noteOf({ kind, title, language, cut }: Attachment, part: number): AttachmentNote {
  return { kind, title, language, cut, part };
}

/** Return the text of a question without its attachments. */
export function questionOf(message: Message): string {
  const { content } = message;
  const notes = notesOf(message);
  if (!Array.isArray(content) || notes.length === 0) {
    return contentOf(message);
  }
  const attached = new Set(notes.map(({ part }) => part));
  return contentOf({ ...message, content: content.filter((_, index) => !attached.has(index)) });
}

/** Return the message with another text, and with the same attachments. */
export function withText(message: Message, text: string): Message {
  return { ...message, ...asQuestion(text, attachmentsOf(message)) };
}

/**
 * Return what is attached to a message.
 *
 * Images of messages without our field `attachments`, which code in the notebook can set, are
 * attachments too.
 */
export function attachmentsOf(message: Message): Attachment[] {
  const { content } = message;
  if (!Array.isArray(content)) {
    return [];
  }
  const notes = new Map(notesOf(message).map(note => [note.part, note]));
  return content.flatMap((part: unknown, index): Attachment[] => {
    const note = notes.get(index);
    const image = imageOf(part);
    if (image !== null) {
      const { title = 'Image', cut = '' } = note ?? {};
      return [{ kind: 'image', title, text: '', language: '', image, cut }];
    }
    const text = (part as { text?: unknown } | null)?.text;
    if (note === undefined || typeof text !== 'string') {
      return [];
    }
    const { kind, title, language, cut } = note;
    return [{ kind, title, text: withoutFence(text), language, cut }];
  });
}

/** Return the text between the title with its fence and the last fence. */
function withoutFence(text: string): string {
  const [, inner] = /^[^\n]*:\n`{3,}[^\n]*\n([^]*)\n`{3,}\n*$/.exec(text) ?? [];
  return inner ?? text;
}

function imageOf(part: unknown): string | null {
  const { image_url: image } = (part ?? {}) as { image_url?: unknown };
  const url = typeof image === 'string' ? image : (image as { url?: unknown } | null)?.url;
  return typeof url === 'string' ? url : null;
}

/** Return the notes of a message, without those of another form. */
function notesOf({ content, attachments }: Message): AttachmentNote[] {
  if (!Array.isArray(attachments) || !Array.isArray(content)) {
    return [];
  }
  return attachments.flatMap((value: unknown) => {
    const { kind, title, language, cut, part } = (value ?? {}) as Record<string, unknown>;
    const isNote =
      typeof title === 'string' && typeof part === 'number' && part >= 0 && part < content.length;
    return isNote && typeof kind === 'string' && KINDS.includes(kind)
      ? [
          {
            kind: kind as Attachment['kind'],
            title,
            language: typeof language === 'string' ? language : '',
            cut: typeof cut === 'string' ? cut : '',
            part
          }
        ]
      : [];
  });
}
