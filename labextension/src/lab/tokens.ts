/** What the JupyterLab plugins of this extension provide to each other. */

import { Token } from '@lumino/coreutils';

import type { Store } from '../state/store.js';
import type { Attachment } from '../views/chat/attachment.js';
import type { NotebookContext } from './context/index.js';

/** The server, as all plugins of a page share it. */
export interface IPower {
  readonly store: Store;
  /** Open the Local Models panel. */
  openModels(): void;
}

export const IPower = new Token<IPower>(
  'a3s-power-jupyter:IPower',
  'The state of the local models, and the requests to their server.'
);

/** What a new question in the assistant begins with. */
export interface Question {
  /** Text in the box; '' leaves what is there. */
  readonly text: string;
  /** What the question is about. The user sees it as chips, and can remove each. */
  readonly attachments: readonly Attachment[];
  /** Whether to send it at once. Otherwise the user does. */
  readonly send: boolean;
  /** Title of the new conversation; the beginning of the question if it is not given. */
  readonly title?: string;
  /** Name of the model to ask; that of the assistant if it is not given. */
  readonly model?: string;
}

/** The chat in the sidebar. */
export interface IAssistant {
  /** Open the sidebar. With `question`, begin a new conversation. */
  open(question?: Question): Promise<void>;
  /** Name of the model of the conversation that is shown, or would be begun; '' for none. */
  readonly model: string;
}

export const IAssistant = new Token<IAssistant>(
  'a3s-power-jupyter:IAssistant',
  'The chat with a local model in the sidebar.'
);

/** What a chat gets of the notebooks, files and consoles of the page. */
export interface INotebookContext {
  /** Load the code of the context on first use. Returns members of a `ChatHost`. */
  load(): Promise<NotebookContext>;
}

export const INotebookContext = new Token<INotebookContext>(
  'a3s-power-jupyter:INotebookContext',
  'What can be attached to questions, and where code of answers goes.'
);
