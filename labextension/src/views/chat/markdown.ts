/** Render Markdown from a model. It is untrusted, so raw HTML is escaped. */

import MarkdownIt from 'markdown-it';

const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true });

// Loading an image would send a request to a server chosen by the model.
markdown.disable('image');

// The same links as in `a3s_power_jupyter/display/markup.py`. A relative link would be a request to
// the user's own server.
markdown.validateLink = url => /^(https?:\/\/|mailto:)/i.test(url);

const { rules } = markdown.renderer;
const renderLink = rules['link_open'];
rules['link_open'] = (tokens, index, options, env, self) => {
  const token = tokens[index];
  token?.attrSet('target', '_blank');
  token?.attrSet('rel', 'noopener noreferrer');
  const opening =
    renderLink?.(tokens, index, options, env, self) ?? self.renderToken(tokens, index, options);
  const isEmpty = tokens[index + 1]?.type === 'link_close';
  return isEmpty ? opening + markdown.utils.escapeHtml(token?.attrGet('href') ?? '') : opening;
};

// MathJax finds delimiters only within one text node, so this dollar sign is not one.
rules.text = (tokens, index) =>
  markdown.utils.escapeHtml(tokens[index]?.content ?? '').replaceAll('$', '<span>$</span>');

/** Return each block of `text` as HTML: a heading, a paragraph, a list with its items. */
export function toBlocks(text: string): string[] {
  const env = {};
  const tokens = markdown.parse(text, env);
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

/** Return `text` as HTML. Links have http, https or mailto URLs, and images are links. */
export function toHtml(text: string): string {
  return markdown.render(text);
}
