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
