/**
 * Shorten texts to a number of tokens, by whole lines.
 *
 * The tokens are estimated here, because a text is cut many times before it is sent. The server
 * counts what is sent.
 */

import { trans } from '../../views/i18n.js';

/** A text that may have been shortened. */
export interface Piece {
  readonly text: string;
  /** What was left out, as a sentence; '' if nothing was. */
  readonly cut: string;
}

/** Which lines of a text remain. */
export type Keep = 'start' | 'ends';

/** Tokens of a line that says how many lines were left out. */
export const MARKER_TOKENS = 12;

/** Longest word that is usually one token, and letters of a token in longer ones. */
const COMMON_WORD = 6;
const LETTERS_PER_TOKEN = 3;

/** Longer texts are cut to this many characters a token before anything else is done with them. */
const MAX_CHARACTERS_PER_TOKEN = 12;

/** Fewer tokens are not worth an attachment. */
const MIN_TOKENS = 24;

/** Throw the reason to show if there is no room for an attachment. */
export function checkRoom(tokens: number): void {
  if (tokens < MIN_TOKENS) {
    throw new Error(
      trans.__('Nothing more fits into the context of the model. Remove something first.')
    );
  }
}

/** Words and the other parts of a text that are one token or more. */
const PARTS = /[A-Z]?[a-z]+|[A-Z]+|[^\S\n]{2,}| (?=\d)|[\n\x21-\x7e]|[^\x00-\x7f]/g;

/** Estimate the number of tokens of a text, in the vocabulary of a small model. */
export function estimateTokens(text: string): number {
  let tokens = 0;
  for (const [part] of text.matchAll(PARTS)) {
    if (part === '\n') {
      tokens = Math.ceil(tokens) + 1; // so that lines can be added up
    } else {
      tokens += part > '\x7f' ? tokensOfCharacter(part) : tokensOfWord(part.length);
    }
  }
  return Math.ceil(tokens);
}

/** Long words are rarely in a vocabulary. */
function tokensOfWord(length: number): number {
  return length <= COMMON_WORD ? 1 : length / LETTERS_PER_TOKEN;
}

/** Characters after the first of Unicode's alphabets are often divided into their bytes. */
function tokensOfCharacter(character: string): number {
  if (character < '\u0800') {
    return 1;
  }
  return /[\ud800-\udfff]/.test(character) ? 2 : 1.5;
}

/** Return a text of at most about `tokens` tokens: its first lines, or its first and last ones. */
export function cutLines(text: string, tokens: number, keep: Keep): Piece {
  const limit = Math.max(0, Math.floor(tokens));
  if (text.length <= limit * MAX_CHARACTERS_PER_TOKEN && estimateTokens(text) <= limit) {
    return { text, cut: '' };
  }
  const whole = text.split('\n');
  const lines = whole.map(line => clip(line, limit / 2));
  const clipped = lines.filter((line, index) => line !== whole[index]).length;
  const costs = lines.map(line => estimateTokens(line) + 1);
  if (sum(costs) <= limit) {
    return { text: lines.join('\n'), cut: endsText(clipped) };
  }
  const room = limit - MARKER_TOKENS;
  const first = countWithin(costs, keep === 'start' ? room : (room * 2) / 3);
  const used = sum(costs.slice(0, first));
  const last = keep === 'start' ? 0 : countWithin(costs.slice(first).reverse(), room - used);
  const left = lines.length - first - last;
  const marker = trans._n('[... %1 line left out ...]', '[... %1 lines left out ...]', left);
  return {
    text: [...lines.slice(0, first), marker, ...lines.slice(lines.length - last)].join('\n'),
    cut: linesText(first + 1, lines.length - last, lines.length)
  };
}

/** Return the start of a line of at most about `tokens` tokens. */
function clip(line: string, tokens: number): string {
  if (line.length <= tokens || estimateTokens(line) <= tokens) {
    return line;
  }
  let [low, high] = [0, Math.min(line.length, Math.floor(tokens * MAX_CHARACTERS_PER_TOKEN))];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (estimateTokens(line.slice(0, middle)) < tokens) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return `${line.slice(0, low).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** Return how many of the first costs are at most `room` together. */
function countWithin(costs: readonly number[], room: number): number {
  let [count, used] = [0, 0];
  for (const cost of costs) {
    used += cost;
    if (used > room) {
      break;
    }
    count += 1;
  }
  return count;
}

function linesText(from: number, to: number, all: number): string {
  return from === to
    ? trans.__('Line %1 of %2 was left out.', from, all)
    : trans.__('Lines %1 to %2 of %3 were left out.', from, to, all);
}

function endsText(clipped: number): string {
  return clipped === 0
    ? ''
    : trans._n(
        'The end of a long line was left out.',
        'The ends of %1 long lines were left out.',
        clipped
      );
}

/**
 * Divide `tokens` among parts that would take `sizes`.
 *
 * What a small part does not need goes to the others.
 */
export function share(tokens: number, sizes: readonly number[]): number[] {
  const shares = sizes.map(() => 0);
  let left = Math.max(0, tokens);
  const bySize = [...sizes.keys()].sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0));
  bySize.forEach((part, index) => {
    const fair = Math.floor(left / (bySize.length - index));
    shares[part] = Math.min(sizes[part] ?? 0, fair);
    left -= shares[part];
  });
  return shares;
}

/** A part of a text, and the index of the form that it gets. */
export type Step = readonly [part: number, form: number];

/**
 * Choose a form of each part, so that all lines together take at most `tokens`.
 *
 * `costs` has the tokens of each form of each part, with a line break; the form after the last one is
 * to leave the part out. The forms are the first ones, and change by `steps` until they fit.
 */
export function chooseForms(
  costs: readonly (readonly number[])[],
  steps: readonly Step[],
  tokens: number
): number[] {
  const chosen = costs.map(() => 0);
  let total = sum(costs.map(([whole = 0]) => whole)) - 1; // no break after the last line
  for (const [part, form] of steps) {
    if (total <= tokens) {
      break;
    }
    total += (costs[part]?.[form] ?? 0) - (costs[part]?.[chosen[part] ?? 0] ?? 0);
    chosen[part] = form;
  }
  return chosen;
}

/** Join sentences about what was left out. */
export function joinCuts(...cuts: readonly string[]): string {
  return cuts.filter(cut => cut !== '').join(' ');
}

/** Return the sum of numbers. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
