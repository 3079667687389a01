/** The turns of a conversation: a question, with the answers, calls and results that follow it. */

import type { Message } from './chatCompletion.js';
import { callsOf } from './messageText.js';
import type { ToolCall } from './toolRunner.js';

/** The result of a call that is running. It stays if nobody waits for its end. */
export const BEGUN =
  'The call was begun, but its result is not known: the user stopped the answer or closed the page.';

/** The result of a call that did not begin. */
export const STOPPED = 'The user stopped the answer before this call was made.';

/** Whether a result says that the call has none. */
export function isUnknown(result: string): boolean {
  return result === STOPPED || result === BEGUN;
}

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

/** Return the calls at the end of a conversation that have no result yet. */
export function pendingCalls(messages: readonly Message[]): ToolCall[] {
  const index = messages.map(({ role }) => role).lastIndexOf('assistant');
  const answer = messages.slice(index + 1).some(({ role }) => role !== 'tool')
    ? undefined
    : messages[index];
  if (answer === undefined) {
    return [];
  }
  const known = new Set(messages.slice(index + 1).map(({ tool_call_id: id }) => id));
  return callsOf(answer).filter(({ id }) => !known.has(id));
}

/** Return a conversation in which each call at its end has a result, those that lack one `content`. */
export function withResults(messages: readonly Message[], content: string): readonly Message[] {
  const missing = pendingCalls(messages);
  const results = missing.map(({ id }) => ({ role: 'tool', tool_call_id: id, content }));
  return missing.length === 0 ? messages : [...messages, ...results];
}

/** Return how many answers since the last question have calls. */
export function callingAnswers(messages: readonly Message[]): number {
  const question = questionIndex(messages, messages.length - 1);
  return messages.slice(question + 1).filter(message => callsOf(message).length > 0).length;
}

/** Return calls with ids that no other call of the conversation has. Some models repeat theirs. */
export function withOwnIds(calls: readonly ToolCall[], messages: readonly Message[]): ToolCall[] {
  const used = new Set(messages.flatMap(message => callsOf(message).map(({ id }) => id)));
  return calls.map((call, index) => {
    const id = call.id === '' || used.has(call.id) ? ownId(messages.length, index) : call.id;
    used.add(id);
    return { ...call, id };
  });
}

function ownId(message: number, call: number): string {
  return `call_${message}_${call}_${Math.random().toString(36).slice(2, 8)}`;
}
