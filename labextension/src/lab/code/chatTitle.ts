/** The title of a chat about a cell or a file. */

import { trans } from '../../views/i18n.js';

/** Characters of a title, as of those that the server makes of questions. */
const MAX_LENGTH = 80;

/** Return a title such as "ZeroDivisionError in b.ipynb", or "def mean(x): in b.ipynb". */
export function chatTitle(file: string, code: string, errorName: string | null): string {
  const about = errorName ?? firstLine(code);
  const title = about === '' ? file : trans.__('%1 in %2', about, file);
  const characters = Array.from(title);
  return characters.length > MAX_LENGTH
    ? `${characters.slice(0, MAX_LENGTH - 1).join('')}…`
    : title;
}

function firstLine(code: string): string {
  const line = code.trim().split('\n', 1)[0]?.trim() ?? '';
  const characters = Array.from(line);
  const most = MAX_LENGTH / 2; // leaves room for the name of the file
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : line;
}
