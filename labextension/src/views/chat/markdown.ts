/** Render Markdown from a model. It is untrusted, so raw HTML is escaped. */

import MarkdownIt from 'markdown-it';
import type { Token } from 'markdown-it';

import { printable } from '../saved/markup.js';

const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true });

// Loading an image would send a request to a server chosen by the model.
markdown.disable('image');

// The same links as in `a3s_power_jupyter/display/markup.py`. A relative link would be a request to
// the user's own server, and a name before the host makes it look like another one.
const LINK =
  /^(?:https?:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:[/?#].*)?|mailto:[^/\\]+)$/i;
markdown.validateLink = url => LINK.test(url);

markdown.core.ruler.push('directions', ({ tokens }) => {
  for (const token of tokens) {
    if (token.level === 0 && token.nesting === 1) {
      token.attrSet('dir', 'auto');
    }
  }
});

/** What rendering depends on: links of a saved notebook show their URL, others when clicked. */
interface Environment {
  readonly isSaved?: boolean;
}

const { rules } = markdown.renderer;
const { escapeHtml } = markdown.utils;

rules['link_open'] = (tokens, index, _, env: Environment) => {
  const url = escapeHtml(tokens[index]?.attrGet('href') ?? '');
  if (env.isSaved) {
    return '';
  }
  // Without `href`, so that no click opens it at once. See links.ts.
  const opening = `<a class="a3s-link" role="link" tabindex="0" data-url="${url}">`;
  return tokens[index + 1]?.type === 'link_close' ? opening + url : opening;
};

rules['link_close'] = (tokens, index, _, env: Environment) => {
  if (!env.isSaved) {
    return '</a>';
  }
  let opening = index - 1;
  while (tokens[opening]?.type !== 'link_open') {
    opening -= 1;
  }
  const url = tokens[opening]?.attrGet('href') ?? '';
  const target =
    `<a href="${escapeHtml(url)}" target="_blank" rel="noopener noreferrer">` +
    `${escapeText(url)}</a>`;
  return opening === index - 1 || isUrlOfLink(tokens, index - 1) ? target : ` (${target})`;
};

rules.text = (tokens, index, _, env: Environment) =>
  env.isSaved && isUrlOfLink(tokens, index) ? '' : escapeText(tokens[index]?.content ?? '');

/** Return whether a text is all of a link's text, and is the URL of the link. */
function isUrlOfLink(tokens: readonly Token[], index: number): boolean {
  const [opening, text, closing] = tokens.slice(Math.max(index - 1, 0), index + 2);
  return (
    opening?.type === 'link_open' &&
    text?.type === 'text' &&
    closing?.type === 'link_close' &&
    text.content === opening.attrGet('href')
  );
}

const LANGUAGE = /^[\w+#.-]{1,40}/;

rules.fence = (tokens, index) => {
  const { info, content } = tokens[index] ?? { info: '', content: '' };
  const language = languageOf(info);
  const name = language === '' ? '' : ` class="language-${language}"`;
  return `<pre><code${name}>${escapeHtml(content)}</code></pre>\n`;
};

// MathJax finds $, \( and \begin only within one text node, so these are no delimiters.
function escapeText(text: string): string {
  return escapeHtml(text).replace(/[$\\]/g, '<span>$&</span>');
}

/** A block at the top level: a heading, a paragraph, a list with its items, or code. */
export interface Block {
  /** Its HTML; '' for code. */
  readonly html: string;
  /** The code of a block that is nothing else; null for other blocks. */
  readonly code: { readonly text: string; readonly language: string } | null;
  /** The line that it begins with. */
  readonly line: number;
}

/** Return the blocks of `text`. `env` keeps the definitions of links that came before. */
export function toBlocks(text: string, env: object = {}): Block[] {
  const tokens = markdown.parse(printable(text), env);
  const blocks: Block[] = [];
  let start = 0;
  tokens.forEach(({ level, nesting, type, content, info }, i) => {
    if (level === 0 && nesting <= 0) {
      const isCode = type === 'fence' || type === 'code_block';
      blocks.push({
        html: isCode
          ? ''
          : markdown.renderer.render(tokens.slice(start, i + 1), markdown.options, env),
        code: isCode ? { text: content, language: languageOf(info) } : null,
        line: tokens[start]?.map?.[0] ?? 0
      });
      start = i + 1;
    }
  });
  return blocks;
}

/** Return the language in the first line of a block of code: "python" of "python title=a.py". */
function languageOf(info: string): string {
  return LANGUAGE.exec(info.trim())?.[0] ?? '';
}

/** Return `text` as HTML for saved notebooks, in which URLs follow the text of links and images. */
export function toHtml(text: string): string {
  return markdown.render(printable(text), { isSaved: true } satisfies Environment);
}
