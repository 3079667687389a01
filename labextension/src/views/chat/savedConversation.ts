/** Read a conversation that was saved outside a notebook. */

import { type Message, parametersFrom } from './chatCompletion.js';
import type { Conversation, PartialAnswer } from './conversation.js';

/** Return what is usable of a saved value, which may be of another version; null if nothing is. */
export function readConversation(value: unknown): Conversation | null {
  const { model, parameters, messages, answer } = (value ?? {}) as Record<string, unknown>;
  if (typeof model !== 'string' || !Array.isArray(messages)) {
    return null;
  }
  return {
    model,
    parameters: parametersFrom(parameters),
    messages: messages.filter(isMessage),
    answer: isAnswer(answer) ? answer : null
  };
}

function isMessage(value: unknown): value is Message {
  return typeof (value as { role?: unknown } | null)?.role === 'string';
}

function isAnswer(value: unknown): value is PartialAnswer {
  const answer = value as Partial<Record<keyof PartialAnswer, unknown>> | null | undefined;
  const { content, page, beat } = answer ?? {};
  return typeof content === 'string' && typeof page === 'string' && typeof beat === 'number';
}
