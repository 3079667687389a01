/** What is lost if half an answer replaces the code. */

import { lineDiff } from '../../views/chat/lineDiff.js';

export interface LostLines {
  readonly count: number;
  /** The first of them, without indentation; '' if there is none. */
  readonly first: string;
}

/**
 * Return the lines that are missing in `after` at the place where it ends.
 *
 * An answer that was ended early has not written the last lines, so the last difference removes them.
 */
export function lostLines(before: string, after: string): LostLines {
  const lines = lineDiff(before, after);
  const same = lines.map(({ kind }) => kind === 'same');
  const end = same.lastIndexOf(false) + 1;
  const last = lines.slice(same.slice(0, end).lastIndexOf(true) + 1, end);
  const removed = last.filter(({ kind }) => kind === 'removed');
  const added = last.length - removed.length;
  const lost = removed.slice(added).map(({ text }) => text.trim());
  const written = lost.filter(text => text !== '');
  return { count: written.length, first: written[0] ?? '' };
}
