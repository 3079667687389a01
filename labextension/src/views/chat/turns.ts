/** The turns of a conversation: a question, with the answers, calls and results that follow it. */

import type { Message } from './chatCompletion.js';

/** Return the index of the question of the turn of a message; -1 if there is none. */
export function questionIndex(messages: readonly Message[], index: number): number {
  const roles = messages.slice(0, index + 1).map(({ role }) => role);
  return roles.lastIndexOf('user');
}

/** Return the index after the turn of a message. */
export function turnEnd(messages: readonly Message[], index: number): number {
  const next = messages.findIndex(({ role }, i) => i > index && role === 'user');
  return next === -1 ? messages.length : next;
}

/** Return the messages up to the last question, which an answer is missing to. */
export function upToQuestion(messages: readonly Message[]): readonly Message[] {
  const end = questionIndex(messages, messages.length - 1) + 1;
  return end === 0 ? messages : messages.slice(0, end);
}

/** Whether deleting a message leaves its question, which can then be answered again. */
export function leavesQuestion(messages: readonly Message[], index: number): boolean {
  return messages[index]?.role !== 'user' && turnEnd(messages, index) === messages.length;
}

/**
 * Return the messages without one of them.
 *
 * The last answer is removed with its calls and results. Any other message is removed with its whole
 * turn, because many chat templates refuse two questions in a row.
 */
export function withoutMessage(messages: readonly Message[], index: number): readonly Message[] {
  const question = questionIndex(messages, index);
  const end = turnEnd(messages, index);
  if (question === -1) {
    return messages.filter((_, i) => i !== index); // a system message, or one set in the notebook
  }
  const start = leavesQuestion(messages, index) ? question + 1 : question;
  return [...messages.slice(0, start), ...messages.slice(end)];
}
