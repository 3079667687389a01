/** A pull in a saved notebook, like `display/pull_progress.py` in Python. */

import type { Pull } from '../../api/types.js';
import { fraction, note, summary } from '../pulls/pulls.js';
import { escape, escapeAttribute, savedView } from './markup.js';
import type { SavedView } from './savedView.js';

/** Return the HTML and text of a pull; `pull` is undefined if there is none of this name. */
export function savedPull(name: string, pull: Pull | undefined): SavedView {
  if (pull === undefined) {
    return savedView(`<p><bdi>${escape(name)}</bdi>: not pulled</p>`, `${name}: not pulled`);
  }
  const notes = [note(pull), pull.error?.message ?? '']
    .filter(Boolean)
    .map(text => `<br><small dir="auto">${escape(text)}</small>`);
  const title = `<strong dir="auto">${escape(pull.name)}</strong>`;
  const line = summary(pull);
  const waiting = pull.phase === 'waiting' && pull.note ? `. ${pull.note}` : '';
  return savedView(
    `<div>${title}<br>${bar(pull)}${escape(line)}${notes.join('')}</div>`,
    `${pull.name}: ${line}${waiting}`
  );
}

function bar(pull: Pull): string {
  const done = fraction(pull);
  if (done === null && pull.status !== 'pulling') {
    return ''; // a bar without a value is animated
  }
  const value = done === null ? '' : ` value="${done.toFixed(4)}" max="1"`;
  const label = escapeAttribute(`Pull of ${pull.name}`);
  return `<progress aria-label="${label}"${value} style="width: 20em"></progress> `;
}
