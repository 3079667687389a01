/** Decide where a completion makes sense. */

import { firstLine, lastLine } from './trim.js';

/** Cell magics that run their cell as Python. */
const PYTHON_MAGICS = ['capture', 'prun', 'python', 'python3', 'time', 'timeit'];

/** Names of languages by the MIME types of CodeMirror, without `x-` and `source`. */
const NAMES: Readonly<Record<string, string>> = {
  ipython: 'python',
  ipythongfm: 'markdown',
  gfm: 'markdown',
  plain: 'text',
  rsrc: 'r',
  ecmascript: 'javascript',
  'c++src': 'c++',
  csrc: 'c',
  sh: 'shell'
};

/** Return the name of the language of a MIME type: "python" for `text/x-ipython`. */
export function languageOf(mimeType: string): string {
  const name = mimeType
    .replace(/^[^/]*\//, '')
    .replace(/^x-/, '')
    .replace(/[-;].*$/, '');
  return NAMES[name] ?? name;
}

/** Whether to complete a text at the cursor. */
export function isSensible(
  before: string,
  after: string,
  mimeType: string,
  languagesOff: readonly string[]
): boolean {
  if (languagesOff.map(name => name.toLowerCase()).includes(languageOf(mimeType))) {
    return false;
  }
  if (/[\p{L}\p{N}_]$/u.test(before) && /^[\p{L}\p{N}_]/u.test(after)) {
    return false; // within a word
  }
  return !mimeType.startsWith('text/x-ipython') || isPython(before);
}

/** Whether IPython runs the text at the cursor as Python. */
function isPython(before: string): boolean {
  const magic = /^\s*%%([\w!]+)/.exec(firstLine(before.trimStart()))?.[1];
  const inFirst = !before.trimStart().includes('\n');
  if (magic !== undefined && (inFirst || !PYTHON_MAGICS.includes(magic))) {
    return false;
  }
  return !/^\s*[%!?]/.test(lastLine(before));
}
