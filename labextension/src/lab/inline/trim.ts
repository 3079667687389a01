/** Turn what a model writes into a completion: where it ends, and what it must not repeat. */

/** The texts of the editor before and after the cursor, and how long a completion may be. */
export interface Around {
  readonly before: string;
  readonly after: string;
  readonly multiLine: boolean;
}

export interface Shaped {
  readonly text: string;
  /** Whether nothing of the rest is wanted, so that the model can stop. */
  readonly ended: boolean;
}

/** `running` while more may come, `cut` if the model was stopped by the limit of tokens. */
export type Progress = 'running' | 'complete' | 'cut';

/** A line that only closes brackets, and so belongs to the block before it. */
const CLOSERS = /^\s*[)\]}]+[;,:]?\s*$/;

/** Return the completion in what a model has written so far. */
export function shape(raw: string, around: Around, progress: Progress): Shaped {
  const written = raw.replaceAll('\r\n', '\n');
  const lines = written.split('\n');
  const current = lastLine(around.before);
  const next = firstLine(around.after);
  const begun = afterSpace(lines[0] ?? '', current);
  const first = progress === 'cut' && lines.length === 1 ? withoutHalfWord(begun) : begun;
  if (!around.multiLine || next.trim() !== '') {
    return finished(withoutOverlap(first, next), lines.length > 1);
  }
  const { kept, ended } = block(lines, current, around.after, progress);
  return finished([first, ...kept].join('\n'), ended);
}

/** Return the lines after the first one that belong to the completion. */
function block(
  lines: readonly string[],
  current: string,
  after: string,
  progress: Progress
): { kept: string[]; ended: boolean } {
  const base = indentOf(current);
  const opens = /[:{([]\s*$/.test(current + (lines[0] ?? ''));
  const following =
    after
      .split('\n')
      .slice(1)
      .find(line => line.trim() !== '')
      ?.trim() ?? '';
  const kept: string[] = [];
  for (let n = 1; n < lines.length; n += 1) {
    const line = lines[n] ?? '';
    const isLast = n === lines.length - 1;
    const text = line.trim();
    if (isLast && (progress === 'cut' || text === '')) {
      break; // half a line, or one that has not begun
    }
    if (isLast && progress === 'running' && following.startsWith(text)) {
      break; // may become a line that is there already
    }
    if (text === '' || (following !== '' && text === following)) {
      return { kept, ended: true };
    }
    if (indentOf(line) < base || (opens && indentOf(line) === base && text !== '')) {
      return { kept: CLOSERS.test(line) ? [...kept, line] : kept, ended: true };
    }
    kept.push(line);
  }
  return { kept, ended: false };
}

function finished(text: string, ended: boolean): Shaped {
  return { text: text.replace(/\uFFFD+$/, '').trimEnd(), ended };
}

/** Models that begin with a space do not see that there is one. */
function afterSpace(line: string, current: string): string {
  return /\S[ \t]+$/.test(current) ? line.trimStart() : line;
}

/** Leave out the last word, which may be incomplete, if there is one before it. */
function withoutHalfWord(line: string): string {
  const rest = line.replace(/[\p{L}\p{N}_]+$/u, '');
  return rest.trim() === '' ? line : rest;
}

/**
 * Leave out the end of a completion that is already behind the cursor.
 *
 * A closing bracket or quote is left out only if it closes nothing in the completion: before `)`,
 * the text `f()` is complete, and of `x)` only `x` is wanted.
 */
function withoutOverlap(line: string, next: string): string {
  const text = line.trimEnd();
  const rest = next.trimEnd();
  for (let size = Math.min(text.length, rest.length); size > 0; size -= 1) {
    const overlap = rest.slice(0, size);
    const shorter = text.slice(0, text.length - size);
    if (text.endsWith(overlap) && (/[\p{L}\p{N}_]/u.test(overlap) || !isClosed(text))) {
      return shorter;
    }
  }
  return line;
}

/** Whether a text closes no bracket and no quote that it does not open. */
function isClosed(text: string): boolean {
  let depth = 0;
  let quote = '';
  for (const char of text) {
    if (quote !== '') {
      quote = char === quote ? '' : quote;
    } else if (char === '"' || char === "'") {
      quote = char;
    } else if ('([{'.includes(char)) {
      depth += 1;
    } else if (')]}'.includes(char)) {
      depth -= 1;
    }
    if (depth < 0) {
      return false;
    }
  }
  return quote === '';
}

export function lastLine(text: string): string {
  return text.slice(text.lastIndexOf('\n') + 1);
}

export function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
