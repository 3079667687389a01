/** Compare two texts by lines. */

export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
}

/** Texts with more pairs of lines that differ are shown as removed and added as a whole. */
const MAX_PAIRS = 4_000_000;

/** Return the lines of both texts, with as few changes as there can be. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) {
    start += 1;
  }
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) {
    end += 1;
  }
  return [
    ...marked('same', a.slice(0, start)),
    ...changes(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...marked('same', a.slice(a.length - end))
  ];
}

/** Return the changes between lines, by the lengths of the longest common subsequences. */
function changes(a: readonly string[], b: readonly string[]): DiffLine[] {
  if (a.length * b.length > MAX_PAIRS) {
    return [...marked('removed', a), ...marked('added', b)];
  }
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push(...marked('same', [a[i] ?? '']));
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      lines.push(...marked('removed', [a[i] ?? '']));
      i += 1;
    } else {
      lines.push(...marked('added', [b[j] ?? '']));
      j += 1;
    }
  }
  return [...lines, ...marked('removed', a.slice(i)), ...marked('added', b.slice(j))];
}

function marked(kind: DiffLine['kind'], lines: readonly string[]): DiffLine[] {
  return lines.map(text => ({ kind, text }));
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.split('\n');
}
