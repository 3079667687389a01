/** Read a conversation that was saved outside a notebook. */

import { type Message, parametersFrom } from './chatCompletion.js';
import type { Conversation, PartialAnswer } from './conversation.js';

/**
 * Return what is usable of a saved value, which may be of another version; null if nothing is.
 *
 * The page that was generating its answer is gone, so the answer belongs to none.
 */
export function readConversation(value: unknown): Conversation | null {
  const { model, parameters, messages, answer } = (value ?? {}) as Record<string, unknown>;
  if (typeof model !== 'string' || !Array.isArray(messages)) {
    return null;
  }
  return {
    model,
    parameters: parametersFrom(parameters),
    messages: messages.filter(isMessage),
    answer: isAnswer(answer) ? { ...answer, page: '' } : null
  };
}

function isMessage(value: unknown): value is Message {
  return typeof (value as { role?: unknown } | null)?.role === 'string';
}

function isAnswer(value: unknown): value is PartialAnswer {
  const answer = value as { content?: unknown; page?: unknown } | null | undefined;
  return typeof answer?.content === 'string' && typeof answer.page === 'string';
}
