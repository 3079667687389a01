/** Changes of sources. */

import type { Edit } from '../context/inserting.js';

/** A cell magic line, such as `%%time`, and the code below it. */
export interface MagicCell {
  /** The line with its line break; '' without a magic. */
  readonly magic: string;
  readonly code: string;
}

/** Divide the source of a cell that begins with a cell magic. */
export function splitMagic(source: string): MagicCell {
  const [magic = ''] = /^\s*%%\w.*(?:\n|$)/.exec(source) ?? [];
  return { magic, code: source.slice(magic.length) };
}

/** Put the magic line before new code, unless the model has written it as well. */
export function withMagic(magic: string, code: string): string {
  const repeated = magic !== '' && code.split('\n', 1)[0]?.trim() === magic.trim();
  return repeated ? code : magic + code;
}

/** Return the smallest edit that changes one text to another; null if they are equal. */
export function editBetween(before: string, after: string): Edit | null {
  if (before === after) {
    return null;
  }
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) {
    start += 1;
  }
  let same = 0;
  while (
    same < shorter - start &&
    before[before.length - 1 - same] === after[after.length - 1 - same]
  ) {
    same += 1;
  }
  return {
    start,
    end: before.length - same,
    text: after.slice(start, after.length - same)
  };
}
