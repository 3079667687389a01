/** Highlight code, also while it is being written. */

import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import julia from 'highlight.js/lib/languages/julia';
import latex from 'highlight.js/lib/languages/latex';
import markdown from 'highlight.js/lib/languages/markdown';
import python from 'highlight.js/lib/languages/python';
import pythonRepl from 'highlight.js/lib/languages/python-repl';
import r from 'highlight.js/lib/languages/r';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import shell from 'highlight.js/lib/languages/shell';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const LANGUAGES = {
  bash,
  c,
  cpp,
  csharp,
  css,
  diff,
  dockerfile,
  go,
  ini,
  java,
  javascript,
  json,
  julia,
  latex,
  markdown,
  python,
  'python-repl': pythonRepl,
  r,
  ruby,
  rust,
  shell,
  sql,
  typescript,
  xml,
  yaml
};

for (const [name, language] of Object.entries(LANGUAGES)) {
  hljs.registerLanguage(name, language);
}
hljs.registerAliases(['ipython', 'ipython3'], { languageName: 'python' });

/** Code is fixed in pieces of this many lines, or of more where a piece would end within a string. */
const LINES = 40;

/** The most characters of a piece, wherever it ends. */
const MAX_PIECE = 8_000;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

interface Highlighted {
  readonly html: string;
  /** Whether the code ends outside of strings, comments and the like. */
  readonly isClosed: boolean;
}

function highlight(code: string, language: string): Highlighted {
  if (hljs.getLanguage(language) === undefined) {
    const html = code.replace(/[&<>]/g, char => ENTITIES[char] ?? char);
    return { html, isClosed: true };
  }
  const { value, _top: top } = hljs.highlight(code, { language, ignoreIllegals: true });
  return { html: value, isClosed: (top as { readonly parent?: unknown }).parent === undefined };
}

/**
 * Highlights code that grows.
 *
 * Only the last lines are highlighted again, so that the time for a new token does not depend on the
 * length of the code.
 */
export class Highlighter {
  private fixed = '';

  constructor(private readonly language: string) {}

  /**
   * Return HTML of what has changed: pieces to add after the earlier ones, and the rest, which
   * replaces the earlier rest. `isNew` means that the earlier pieces are to be removed.
   */
  update(code: string): { isNew: boolean; pieces: string[]; rest: string } {
    const isNew = !code.startsWith(this.fixed);
    if (isNew) {
      this.fixed = '';
    }
    const pieces: string[] = [];
    let piece = this.nextPiece(code);
    while (piece !== null) {
      this.fixed += piece.code;
      pieces.push(piece.html);
      piece = this.nextPiece(code);
    }
    const rest = highlight(code.slice(this.fixed.length), this.language).html;
    return { isNew, pieces, rest };
  }

  private nextPiece(code: string): { code: string; html: string } | null {
    const start = this.fixed.length;
    let end = start;
    while (end - start < MAX_PIECE) {
      end = afterLines(code, end);
      if (end === -1) {
        break;
      }
      const piece = code.slice(start, Math.min(end, start + MAX_PIECE));
      const { html, isClosed } = highlight(piece, this.language);
      if (isClosed || piece.length === MAX_PIECE) {
        return { code: piece, html };
      }
    }
    if (code.length - start <= MAX_PIECE) {
      return null;
    }
    const piece = code.slice(start, start + MAX_PIECE);
    return { code: piece, html: highlight(piece, this.language).html };
  }
}

/** Return the index after `LINES` lines; -1 if there are not as many. */
function afterLines(code: string, start: number): number {
  let end = start;
  for (let line = 0; line < LINES; line += 1) {
    end = code.indexOf('\n', end) + 1;
    if (end === 0) {
      return -1;
    }
  }
  return end;
}

/** Return the name of a language to show, such as "Python"; the given one if it is not known. */
export function languageTitle(language: string): string {
  return hljs.getLanguage(language)?.name ?? language;
}
