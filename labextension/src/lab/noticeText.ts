/** The text of a notification about a failure. */

/** Characters after which JupyterLab cuts the message of a notification. */
const MAX_LENGTH = 140;

export interface NoticeText {
  readonly text: string;
  /** Whether the text is only what failed, and not why. */
  readonly isShortened: boolean;
}

/**
 * Return what a notification says: what failed and why, or only what failed.
 *
 * The reason is left out if JupyterLab would cut it.
 */
export function noticeText(what: string, why: string): NoticeText {
  const text = `${what} ${why}`.trim();
  const isShortened = text.length > MAX_LENGTH;
  return { text: isShortened ? what : text, isShortened };
}
