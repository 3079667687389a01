/** A question that is not sent yet. */

import type { Attachment } from './attachment.js';

export interface Draft {
  readonly text: string;
  readonly attachments: readonly Attachment[];
}

export const NO_DRAFT: Draft = { text: '', attachments: [] };
