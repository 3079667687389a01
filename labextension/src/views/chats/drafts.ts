/** Unsent questions of chats that are not shown. */

import type { Draft } from '../chat/draft.js';

export interface Drafted {
  /** Id of the chat; '' for a new one without messages, which has no place in the list. */
  readonly draftKey: string;
  draft: Draft;
}

/** Keeps the drafts in memory: a page that is loaded again begins without them. */
export class Drafts {
  private readonly kept = new Map<string, Draft>();

  /** Keep the draft of a chat that is left. */
  keep({ draftKey, draft }: Drafted): void {
    if (draft.text.trim() !== '' || draft.attachments.length > 0) {
      this.kept.set(draftKey, draft);
    } else {
      this.kept.delete(draftKey);
    }
  }

  /** Put the draft of a chat back into its box. One without a draft stays as it is. */
  restore(chat: Drafted): void {
    const draft = this.kept.get(chat.draftKey);
    if (draft !== undefined) {
      this.kept.delete(chat.draftKey);
      chat.draft = draft;
    }
  }
}
