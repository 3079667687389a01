/** What the next answer of a conversation is generated from. */

import type { Attachment } from './attachment.js';
import type { Message } from './chatCompletion.js';
import { asMessage, type Conversation, hasText } from './conversation.js';
import { callsOf } from './messageText.js';
import { asQuestion, withText } from './question.js';
import { STOPPED, withResults } from './turns.js';

/** Messages, and an answer to them that has begun and is continued; null for a new one. */
export interface NextAnswer {
  readonly messages: readonly Message[];
  readonly begun: Message | null;
}

/** Return the messages with another question. One that `hasFailed` is replaced. */
export function afterQuestion(
  { messages: all, answer }: Conversation,
  hasFailed: boolean,
  text: string,
  attachments: readonly Attachment[]
): readonly Message[] {
  const messages = hasFailed ? all.slice(0, -1) : withResults(all, STOPPED);
  const before = hasText(answer) ? [...messages, asMessage(answer)] : messages;
  return [...before, asQuestion(text, attachments)];
}

/** Return the messages up to a question, with another text; null if the message is no question. */
export function afterEdit(
  messages: readonly Message[],
  index: number,
  text: string
): readonly Message[] | null {
  const question = messages[index];
  return question?.role === 'user' ? [...messages.slice(0, index), withText(question, text)] : null;
}

/**
 * Return how the last answer goes on; null if it does not.
 *
 * It does if it was interrupted, if the user stopped it, which `isCut` says, or if it lacks after the
 * result of a call.
 */
export function continued({ messages, answer }: Conversation, isCut: boolean): NextAnswer | null {
  const last = messages.at(-1);
  if ((answer !== null && answer.content !== '') || last?.role === 'tool') {
    return { messages, begun: hasText(answer) ? asMessage(answer) : null };
  }
  if (answer !== null || !isCut || last?.role !== 'assistant' || callsOf(last).length > 0) {
    return null;
  }
  return { messages: messages.slice(0, -1), begun: last };
}
