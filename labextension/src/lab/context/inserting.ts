/** How code is put into an editor. */

/** A change of a text: the characters from `start` to `end` become `text`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Return the edit that inserts code at `offset` of a source.
 *
 * On a blank line, the code has its indentation. At the end of a line it begins a new one. Within a
 * line it is inserted as it is.
 */
export function insertion(source: string, offset: number, code: string): Edit {
  const start = source.lastIndexOf('\n', offset - 1) + 1;
  const end = !source.includes('\n', offset) ? source.length : source.indexOf('\n', offset);
  const [before, after] = [source.slice(start, offset), source.slice(offset, end)];
  const indent = /^\s*/.exec(before)?.[0] ?? '';
  const block = indented(withoutLastLines(code), indent);
  if (after.trim() !== '') {
    const text =
      before.trim() === '' ? `${block.slice(indent.length)}\n${indent}` : withoutLastLines(code);
    return { start: offset, end: offset, text };
  }
  if (before.trim() === '') {
    return { start: offset, end: offset, text: block.slice(indent.length) };
  }
  return { start: offset, end: offset, text: `\n${block}` };
}

/** Return code without the line breaks at its end, with which blocks in answers end. */
export function withoutLastLines(code: string): string {
  return code.replace(/\n+$/, '');
}

/** Indent all lines that are not blank by `indent`, in place of what they have in common. */
function indented(code: string, indent: string): string {
  const lines = code.split('\n');
  const common = lines
    .filter(line => line.trim() !== '')
    .map(line => /^[ \t]*/.exec(line)?.[0] ?? '')
    .reduce<string | null>((least, own) => (least === null ? own : commonStart(least, own)), null);
  const width = common?.length ?? 0;
  return lines
    .map((line, index) => {
      const rest = line.trim() === '' ? '' : line.slice(width);
      return rest === '' && index > 0 ? '' : indent + rest;
    })
    .join('\n');
}

function commonStart(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) {
    length += 1;
  }
  return a.slice(0, length);
}
