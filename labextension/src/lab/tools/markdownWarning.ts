/** Recognize Markdown that may load something when JupyterLab renders it. */

import { trans } from '../../views/i18n.js';

/** Images, HTML, and diagrams, which can have images. Other Markdown loads nothing. */
const LOADING = /!\[|<[a-z]|mermaid/i;

/** Return a warning about Markdown that a model has written, for a call; nothing if there is none. */
export function markdownWarning(markdown: string): { warning?: string } {
  return LOADING.test(markdown)
    ? { warning: trans.__('When it is rendered, it may load images from other servers.') }
    : {};
}
