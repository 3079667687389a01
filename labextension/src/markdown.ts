/** Markdown that a model wrote, as HTML: it may say anything, so no HTML of its own gets through. */

import MarkdownIt from 'markdown-it';

const renderer = new MarkdownIt({ html: false, linkify: false, breaks: true });

// An image would be fetched from wherever the model says, which tells that place who reads this.
renderer.disable('image');

const plain = renderer.renderer.rules['link_open'];
renderer.renderer.rules['link_open'] = (tokens, index, options, env, self) => {
  const token = tokens[index];
  token?.attrSet('target', '_blank');
  token?.attrSet('rel', 'noopener noreferrer');
  return plain?.(tokens, index, options, env, self) ?? self.renderToken(tokens, index, options);
};

/** HTML of `text`; links lead to http, https and mail only, as markdown-it checks. */
export function toHtml(text: string): string {
  return renderer.render(text);
}
