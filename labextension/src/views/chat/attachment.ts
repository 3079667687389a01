/** What a question is about, such as a cell, a variable or an image. */

export interface Attachment {
  readonly kind: 'cell' | 'selection' | 'output' | 'error' | 'variable' | 'file' | 'image';
  /** Name on the chip, such as "Cell 3" or "data.csv". */
  readonly title: string;
  /** The text that is sent; '' for an image. */
  readonly text: string;
  /** Language of the text as in Markdown, such as `python`; '' for plain text. */
  readonly language: string;
  /** Data URL of an image. */
  readonly image?: string;
  /** What was left out, as a sentence to show; '' if nothing was. */
  readonly cut: string;
}

/** Return the attachments of a question with others, each once. */
export function joined(
  attachments: readonly Attachment[],
  added: readonly Attachment[]
): readonly Attachment[] {
  const all = new Map<string, Attachment>();
  for (const attachment of [...attachments, ...added]) {
    const key = keyOf(attachment);
    all.set(key, all.get(key) ?? attachment);
  }
  return [...all.values()];
}

/** Return what is the same for attachments that say the same; pasted images have no name. */
function keyOf({ kind, title, text, image = '' }: Attachment): string {
  return JSON.stringify(kind === 'image' ? [kind, image] : [kind, title, text, image]);
}
