/** Show text so that what a person reads is what it does. */

/**
 * Characters that are not seen, or that change the order of the others: those of the categories
 * "other" and "separator" except spaces and ends of lines, and what Unicode says to draw as nothing.
 */
const UNSEEN =
  /[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\u{f0000}-\u{10ffff}]/gu;

/** Return a text with characters that are not seen written as `\u202e`. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(UNSEEN, character => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\U${code.padStart(8, '0')}`;
  });
}
