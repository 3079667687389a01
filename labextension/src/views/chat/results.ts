/** Which messages are the results of calls. They are shown with the call, not as messages. */

import type { Message } from './chatCompletion.js';
import { callsOf } from './messageText.js';

export interface Results {
  /** Ids of all calls. */
  readonly calls: ReadonlySet<string>;
  /** The results, by the id of their call. */
  readonly byId: ReadonlyMap<string, Message>;
}

/** Return the calls of a conversation and their results. */
export function resultsOf(messages: readonly Message[]): Results {
  const byId = new Map<string, Message>();
  for (const message of messages) {
    if (message.role === 'tool' && typeof message.tool_call_id === 'string') {
      byId.set(message.tool_call_id, message);
    }
  }
  const calls = new Set(messages.flatMap(message => callsOf(message).map(({ id }) => id)));
  return { calls, byId };
}

/** Whether a message is shown as the result of a call. */
export function isResult({ role, tool_call_id: id }: Message, { calls }: Results): boolean {
  return role === 'tool' && typeof id === 'string' && id !== '' && calls.has(id);
}
