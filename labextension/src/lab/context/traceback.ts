/** Tracebacks as text that a model and a person can read. */

import type { IError } from '@jupyterlab/nbformat';

import { trans } from '../../views/i18n.js';
import { cutLines, estimateTokens, joinCuts, MARKER_TOKENS, type Piece, sum } from './cutting.js';

/** Frames at each end of a traceback that keep their lines of code. */
const WHOLE_FRAMES = 2;

/** Remove the codes that color text in a terminal, and move its cursor. */
export function withoutAnsi(text: string): string {
  return text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g, '');
}

/** Errors that the user causes on purpose, in Python and in Julia. */
const INTENDED = ['KeyboardInterrupt', 'SystemExit', 'InterruptException'];

/** Whether an error is the end that the user wanted, so that nothing is to be fixed. */
export function isIntended({ ename }: Pick<IError, 'ename'>): boolean {
  return INTENDED.includes(ename);
}

/** Return the last line of an error: its type and message. */
export function errorLine({ ename, evalue }: Pick<IError, 'ename' | 'evalue'>): string {
  return evalue === '' ? ename : `${ename}: ${withoutAnsi(evalue)}`;
}

/**
 * Return an error with the frames that matter, in at most about `tokens` tokens.
 *
 * Frames of installed libraries are reduced to the line that says where they are, then frames in
 * the middle are left out. The message is at the end.
 */
export function readableTraceback(error: IError, tokens: number): Piece {
  const parts = error.traceback.map(part => withoutAnsi(part).trimEnd()).filter(isContent);
  const message = parts.at(-1) ?? errorLine(error);
  const frames = parts.slice(0, -1).map(asFrame);
  const short = frames.map((frame, index) =>
    frame.isLibrary && index >= WHOLE_FRAMES - 1 && index < frames.length - 1
      ? (frame.text.split('\n', 1)[0] ?? '')
      : frame.text
  );
  const room = tokens - estimateTokens(message);
  const { text, cut } = withinFrames(short, room);
  const ended = cutLines(
    message,
    Math.min(tokens, Math.max(tokens / 2, tokens - estimateTokens(text) - 1)),
    'ends'
  );
  const all = text === '' ? ended.text : `${text}\n${ended.text}`;
  const fitting = cutLines(all, tokens, 'ends');
  return { text: fitting.text, cut: joinCuts(cut, ended.cut, fitting.cut) };
}

interface Frame {
  readonly text: string;
  readonly isLibrary: boolean;
}

function asFrame(text: string): Frame {
  const place = text.split('\n', 1)[0] ?? '';
  return { text, isLibrary: /site-packages|dist-packages|[\\/]lib[\\/]python3/.test(place) };
}

/** Whether a part is more than the rule and the heading that IPython begins tracebacks with. */
function isContent(part: string): boolean {
  return (
    part.trim() !== '' && !/^-+$/.test(part) && !part.endsWith('Traceback (most recent call last)')
  );
}

/** Join frames, without those in the middle if they are too long. */
function withinFrames(frames: readonly string[], tokens: number): Piece {
  const costs = frames.map(frame => estimateTokens(frame) + 1);
  const isWithin = (left: number) => {
    const first = Math.ceil((frames.length - left) / 2);
    const kept = costs.filter((_, index) => index < first || index >= first + left);
    return sum(kept) + (left > 0 ? MARKER_TOKENS : 0) <= tokens;
  };
  let left = 0;
  while (left < frames.length && !isWithin(left)) {
    left += 1;
  }
  if (left === 0) {
    return { text: frames.join('\n'), cut: '' };
  }
  const first = Math.ceil((frames.length - left) / 2);
  const marker = trans._n('[... %1 frame left out ...]', '[... %1 frames left out ...]', left);
  return {
    text: [...frames.slice(0, first), marker, ...frames.slice(first + left)].join('\n'),
    cut: trans._n(
      '%1 frame of the traceback was left out.',
      '%1 frames of the traceback were left out.',
      left
    )
  };
}
