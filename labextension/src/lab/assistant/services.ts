/** What the sidebar and the tabs of the assistant share. */

import type { Store } from '../../state/store.js';
import type { ChatHost } from '../../views/chat/host.js';
import type { ChatSummary } from '../../api/types.js';
import type { ExportFormat } from '../../views/chats/chatRow.js';
import type { Drafts } from '../../views/chats/drafts.js';

export interface AssistantServices {
  readonly store: Store;
  /** What the views get of JupyterLab, besides presets and new chats. */
  readonly host: ChatHost;
  /** Id of the page in answers. */
  readonly page: string;
  readonly drafts: Drafts;
  /** Open a chat in a tab. Notebook has none. */
  readonly openTab?: (id: string) => void;
  export(chat: ChatSummary, format: ExportFormat): Promise<string>;
}
