/** Render Markdown from a model. It is untrusted, so raw HTML is escaped. */

import MarkdownIt from 'markdown-it';

const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true });

// Loading an image would send a request to a server chosen by the model.
markdown.disable('image');

const { rules } = markdown.renderer;
const renderLink = rules['link_open'];
rules['link_open'] = (tokens, index, options, env, self) => {
  const token = tokens[index];
  token?.attrSet('target', '_blank');
  token?.attrSet('rel', 'noopener noreferrer');
  return (
    renderLink?.(tokens, index, options, env, self) ?? self.renderToken(tokens, index, options)
  );
};

/** Return `text` as HTML. markdown-it only keeps links with safe schemes, such as https. */
export function toHtml(text: string): string {
  return markdown.render(text);
}
