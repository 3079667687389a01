/** Export chats: notebooks go to the file browser's folder, other files are downloaded. */

import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { Contents } from '@jupyterlab/services';

import type { Transport } from '../../api/transport.js';
import type { ChatSummary } from '../../api/types.js';
import { chatPath } from '../../views/chats/chat.js';
import { type ExportFormat, titleOf } from '../../views/chats/chatRow.js';
import { h } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';

/** Export a chat, and return a sentence that says where it is. */
export async function exportChat(
  transport: Transport,
  contents: Contents.IManager,
  browser: IDefaultFileBrowser | null,
  chat: ChatSummary,
  format: ExportFormat
): Promise<string> {
  const path = `${chatPath(chat.id)}/export?format=${format}`;
  if (format === 'notebook') {
    const content = await transport.request('GET', path);
    const folder = browser?.model.path ?? '';
    const saved = await saveNew(contents, folder, fileName(titleOf(chat)), content);
    return trans.__('Saved as %1.', saved);
  }
  const link = h('a', { href: new URL(`v1/${path}`, transport.baseUrl ?? '').href, download: '' });
  link.click();
  return trans.__('Downloaded.');
}

/** Save a notebook under a name that is not in use. */
async function saveNew(
  contents: Contents.IManager,
  folder: string,
  name: string,
  content: unknown
): Promise<string> {
  const listing = await contents.get(folder, { content: true });
  const used = new Set((listing.content as readonly Contents.IModel[]).map(file => file.name));
  let free = `${name}.ipynb`;
  for (let number = 2; used.has(free); number++) {
    free = `${name} ${number}.ipynb`;
  }
  const path = folder === '' ? free : `${folder}/${free}`;
  await contents.save(path, { type: 'notebook', format: 'json', content });
  return path;
}

/** Return a title without what is not allowed in names of files. */
export function fileName(title: string): string {
  const name = title.replace(/[\\/:*?"<>|\u0000-\u001f\u007f]+/g, ' ').replace(/\s+/g, ' ');
  return name.slice(0, 60).replace(/^[. ]+|[. ]+$/g, '') || 'Chat';
}
