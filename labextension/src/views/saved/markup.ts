/** Untrusted text as HTML and text of saved outputs, like `display/markup.py` in Python. */

import type { SavedView } from './savedView.js';

// Control sequences of terminals, as in `contract/text.py`.
const CONTROLS = new RegExp(
  [
    '(?:\\x1b\\[|\\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]',
    '(?:\\x1b[\\]PX^_]|[\\x90\\x98\\x9d\\x9e\\x9f])[^\\x00-\\x08\\x0a-\\x1f\\x80-\\x9f]{0,4096}' +
      '(?:\\x07|\\x1b\\\\|\\x9c)',
    '\\x1b[ -/]{0,8}[0-OQ-WYZ`-~]',
    '[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]'
  ].join('|'),
  'g'
);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#x27;',
  // MathJax finds $, \( and \begin only within one text node, so these are no delimiters.
  $: '<span>$</span>',
  '\\': '<span>\\</span>'
};

/** Return HTML that shows `text` exactly, without control characters. */
export function escape(text: string): string {
  return withoutBlankLines(printable(text).replace(/[&<>"'$\\]/g, char => ENTITIES[char] ?? char));
}

/** Return `text` for the value of an attribute. */
export function escapeAttribute(text: string): string {
  return printable(text).replace(/[&<>"']/g, char => ENTITIES[char] ?? char);
}

/** Replace blank lines in HTML, which would end it in the Markdown that nbconvert writes. */
export function withoutBlankLines(markup: string): string {
  return markup.replace(/\n(?=[ \t]*\n)/g, '&#10;');
}

/**
 * Remove control sequences, and all control characters except tabs and newlines. Characters that
 * reorder the text after them are written as \u202e.
 */
export function printable(text: string): string {
  return text
    .replace(CONTROLS, '')
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, char => `\\u${char.charCodeAt(0).toString(16)}`);
}

/** Return an output with `markup` as it is, and with `text` without control characters. */
export function savedView(markup: string, text: string): SavedView {
  return { 'text/html': markup, 'text/plain': printable(text) };
}
