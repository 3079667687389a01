/** Chats as the server has them, and how two versions of one compare. */

import type { ChatSummary } from '../../api/types.js';
import type { Conversation } from '../chat/conversation.js';
import { readConversation } from '../chat/savedConversation.js';
import { EMPTY_CONVERSATION } from '../chat/conversation.js';

/** A chat with its messages, whose form clients decide. */
export interface Chat extends ChatSummary {
  readonly parameters?: unknown;
  readonly messages?: unknown;
  readonly answer?: unknown;
}

export function chatPath(id: string): string {
  return `assistant/chats/${encodeURIComponent(id)}`;
}

/** Return the conversation of a chat. */
export function conversationOf(chat: Chat): Conversation {
  return readConversation(chat) ?? { ...EMPTY_CONVERSATION, model: chat.model };
}

/** Whether two versions have the same content. The page and the beat of an answer do not count. */
export function isSame(a: Conversation, b: Conversation): boolean {
  return a === b || key(a) === key(b);
}

function key({ model, parameters, messages, answer }: Conversation): string {
  const text = answer && [answer.content, answer.reasoning_content ?? ''];
  return JSON.stringify([model, parameters, messages, text]);
}

/**
 * Whether `longer` has all that is in `shorter`.
 *
 * Of two answers to the same question, the one that is being generated goes on, in the page that
 * took it over.
 */
export function isExtension(longer: Conversation, shorter: Conversation): boolean {
  const begins = shorter.messages.every(
    (message, index) => JSON.stringify(message) === JSON.stringify(longer.messages[index])
  );
  if (!begins) {
    return false;
  }
  if (longer.messages.length > shorter.messages.length) {
    return true;
  }
  return longer.answer !== null || shorter.answer === null;
}
