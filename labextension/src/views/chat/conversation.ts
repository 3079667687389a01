/** The state of a chat, and where it is kept. */

import type { Message, Parameters } from './chatCompletion.js';

/** An answer that is being generated, or that was interrupted. */
export interface PartialAnswer {
  readonly content: string;
  readonly reasoning_content?: string;
  /** Random id of the page that generates it, '' for none. A page that takes over sets its own. */
  readonly page: string;
  /** Changes about once a second while the answer is generated. */
  readonly beat: number;
}

export interface Conversation {
  /** Name of the model; '' until one is chosen. */
  readonly model: string;
  /** Parameters of its requests, with the system prompt. */
  readonly parameters: Parameters;
  /** Messages in the format of OpenAI's API. */
  readonly messages: readonly Message[];
  /** The answer to the last message, as far as it came; null if there is none. */
  readonly answer: PartialAnswer | null;
}

export const EMPTY_CONVERSATION: Conversation = {
  model: '',
  parameters: {},
  messages: [],
  answer: null
};

/**
 * Keeps a conversation: the traits of a widget, or the state of a tab in JupyterLab.
 *
 * `set` replaces the conversation. It is called at most about once a second while an answer is
 * generated. `onChange` calls its listener after every change, also those of other pages and of
 * code in the notebook, and returns the function that removes it.
 */
export interface ConversationStore {
  get(): Conversation;
  set(conversation: Conversation): void;
  onChange(listener: () => void): () => void;
}

/** Return the message that an answer becomes when it is complete. */
export function asMessage({ content, reasoning_content }: PartialAnswer): Message {
  return { role: 'assistant', content, ...(reasoning_content && { reasoning_content }) };
}

/** Return whether an answer has begun. */
export function hasText(answer: PartialAnswer | null): answer is PartialAnswer {
  return answer !== null && (answer.content !== '' || Boolean(answer.reasoning_content));
}
