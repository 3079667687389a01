/** Build the texts before and after the cursor for a model, with the cells around. */

import { languageOf } from './where.js';

export interface Cell {
  readonly type: string;
  readonly source: string;
}

/** A text with a cursor, and what is around it. */
export interface Surroundings {
  readonly path: string;
  readonly mimeType: string;
  readonly before: string;
  readonly after: string;
  readonly above: readonly Cell[];
  readonly below: readonly Cell[];
}

export interface Prompt {
  readonly before: string;
  readonly after: string;
}

/** Characters of code for a token; most models have 3 to 4. */
const CHARACTERS = 3;
/** The part of the tokens for what follows the cursor, which is read again with each request. */
const AFTER = 1 / 8;
/** The parts of the text before the cursor in which it is cut. */
const STEPS = 4;

const LINE_COMMENTS: Readonly<Record<string, string>> = {
  python: '# ', r: '# ', julia: '# ', ruby: '# ', shell: '# ', yaml: '# ', toml: '# ', perl: '# ',
  sql: '-- ', haskell: '-- ', lua: '-- ', latex: '% ', matlab: '% '
}; // prettier-ignore

/**
 * Return a prompt of at most about `tokens` tokens.
 *
 * The text before the cursor begins at the same place from key to key, because the server computes
 * only what follows the part that it has already read. So it is cut in steps.
 */
export function buildPrompt(around: Surroundings, tokens: number): Prompt {
  const comment = LINE_COMMENTS[languageOf(around.mimeType)] ?? '// ';
  const isCode = languageOf(around.mimeType) !== 'markdown';
  const text = (cells: readonly Cell[]) =>
    cells.map(cell => sourceOf(cell, isCode ? comment : '')).filter(source => source !== '');
  const limitAfter = Math.floor(tokens * CHARACTERS * AFTER);
  const before = [...text(around.above), around.before].join('\n\n');
  const header = around.path && isCode ? `${comment}${around.path}\n` : '';
  const after = [around.after, ...text(around.below)].join('\n\n').trimEnd();
  return {
    before: header + lastPart(before, tokens * CHARACTERS - limitAfter),
    after: firstPart(after, limitAfter)
  };
}

/** Return a cell as code: those that are not are comments. */
function sourceOf(cell: Cell, comment: string): string {
  const source = cell.source.trim();
  if (cell.type === 'code' && !source.startsWith('%%')) {
    return source;
  }
  return source.replace(/^/gm, source === '' ? '' : comment);
}

/** Return the last lines of a text. The start moves only once in many characters. */
function lastPart(text: string, limit: number): string {
  if (text.length <= limit) {
    return text;
  }
  const step = Math.max(1, Math.floor(limit / STEPS));
  const start = Math.ceil((text.length - limit) / step) * step;
  const line = text.indexOf('\n', start - 1);
  return text.slice(line < 0 ? start : line + 1);
}

/** Return the first lines of a text. */
function firstPart(text: string, limit: number): string {
  if (text.length <= limit) {
    return text;
  }
  const end = text.lastIndexOf('\n', limit);
  return text.slice(0, end > 0 ? end : limit);
}
