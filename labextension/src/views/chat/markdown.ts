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

rules.fence = (tokens, index) => {
  const { info, content } = tokens[index] ?? { info: '', content: '' };
  const language = /^[\w+#.-]{1,40}/.exec(info.trim())?.[0];
  const name = language === undefined ? '' : ` class="language-${language}"`;
  return `<pre><code${name}>${escapeHtml(content)}</code></pre>\n`;
};

// MathJax finds $, \( and \begin only within one text node, so these are no delimiters.
function escapeText(text: string): string {
  return escapeHtml(text).replace(/[$\\]/g, '<span>$&</span>');
}

/** Return each block of `text` as HTML: a heading, a paragraph, a list with its items. */
export function toBlocks(text: string): string[] {
  const env = {};
  const tokens = markdown.parse(printable(text), env);
  const blocks: string[] = [];
  let start = 0;
  tokens.forEach(({ level, nesting }, i) => {
    if (level === 0 && nesting <= 0) {
      const block = tokens.slice(start, i + 1);
      blocks.push(markdown.renderer.render(block, markdown.options, env));
      start = i + 1;
    }
  });
  return blocks;
}

/** Return `text` as HTML for saved notebooks, in which URLs follow the text of links and images. */
export function toHtml(text: string): string {
  return markdown.render(printable(text), { isSaved: true } satisfies Environment);
}
