/** What the chat view asks of the place that shows it. */

import type { CodeAction } from './codeAction.js';
import type { ContextSources } from './context.js';
import type { Presets } from './presets.js';
import type { ChatTool } from './tools.js';

/** Remembers the model that the user has chosen last. */
export interface DefaultModel {
  /** Return its name; '' for none. It may be gone. */
  get(): string;
  set(name: string): void;
}

/** Members that are optional exist only in JupyterLab. */
export interface ChatHost {
  /** Copy a text to the clipboard. */
  copy(text: string): Promise<void>;
  /** Lead to more models than the one that is proposed. */
  readonly openModels?: () => void;
  /** What can be attached to a question besides images. */
  readonly context?: ContextSources;
  /** Buttons above the code of answers, after Copy. */
  readonly codeActions?: readonly CodeAction[];
  /** The functions that a model may call. */
  readonly tools?: () => readonly ChatTool[];
  /** Named parameters that can be chosen and saved. */
  readonly presets?: Presets;
  /** The model that conversations without one begin with. */
  readonly defaultModel?: DefaultModel;
  /** Begin a new conversation, when this one does not fit any more. */
  readonly newChat?: () => void;
}

/** The host of a page that has nothing else than a clipboard. */
export const PAGE_HOST: ChatHost = {
  copy: text => navigator.clipboard.writeText(text)
};
