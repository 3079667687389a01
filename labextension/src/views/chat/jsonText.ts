/** JSON as text. Its numbers stay as they are written, since JavaScript would round long ones. */

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** Return the fields of a JSON object, each value in one line; null if `text` is anything else. */
export function fieldsOf(text: string): ReadonlyMap<string, string> | null {
  if (!isJson(text) || !text.trimStart().startsWith('{')) {
    return null;
  }
  const fields = new Map<string, string>();
  let depth = 0;
  let name = '';
  let line = '';
  for (const [token] of text.matchAll(TOKENS)) {
    if (depth === 1 && (token === ',' || token === '}')) {
      if (line !== '') {
        fields.set(name, line);
      }
      line = '';
    } else if (depth === 1 && token === ':') {
      name = JSON.parse(line) as string;
      line = '';
    } else if (depth > 0) {
      line += inOneLine(token);
    }
    depth += isStart(token) ? 1 : isEnd(token) ? -1 : 0;
  }
  return fields;
}

/** Return JSON with line breaks; any other text as it is. */
export function indented(text: string): string {
  if (!isJson(text)) {
    return text;
  }
  let depth = 0;
  let lines = '';
  let previous = '';
  for (const [token] of text.matchAll(TOKENS)) {
    const isEmpty = ['{}', '[]'].includes(previous + token);
    depth -= isEnd(token) ? 1 : 0;
    const breaks = isEnd(token) ? !isEmpty : isStart(previous) || previous === ',';
    lines += breaks ? `\n${'  '.repeat(depth)}` : '';
    lines += token === ',' ? token : inOneLine(token);
    depth += isStart(token) ? 1 : 0;
    previous = token;
  }
  return lines;
}

function isStart(token: string): boolean {
  return token === '{' || token === '[';
}

function isEnd(token: string): boolean {
  return token === '}' || token === ']';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function inOneLine(token: string): string {
  if (token.startsWith('"')) {
    return JSON.stringify(JSON.parse(token)); // escapes only what has to be escaped
  }
  return token === ',' || token === ':' ? `${token} ` : token;
}
