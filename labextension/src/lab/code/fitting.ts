/** Shorten what is sent until it fits into the context of a model, as the server counts it. */

import { RequestError, type Transport } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { trans } from '../../views/i18n.js';
import { estimateTokens, sum } from '../context/cutting.js';
import type { ChatMessage } from './prompts.js';

/** Tokens of a request, and of the model's context; null if it is not known. */
export interface Count {
  readonly used: number;
  readonly context: number | null;
}

/** Messages, and what was left out of them. */
export interface Draft {
  readonly messages: readonly ChatMessage[];
  /** A sentence; '' if nothing was left out. */
  readonly cut: string;
}

/** Tokens of a message besides its text. */
const MESSAGE_TOKENS = 8;
/** Tokens that an answer needs in any case. */
const LEAST_ANSWER = 128;
const TRIES = 5;

/**
 * Return a draft that leaves room for its answer.
 *
 * `compose` returns the draft with at most about `tokens` tokens besides the code, which is whole.
 * The draft is counted, and composed with fewer tokens until it fits. Rejects with the reason to show
 * if the code alone does not.
 */
export async function fit(
  compose: (tokens: number) => Draft,
  tokens: number,
  answer: number,
  count: (messages: readonly ChatMessage[]) => Promise<Count>
): Promise<Draft> {
  const needed = Math.max(LEAST_ANSWER, answer);
  let room = tokens;
  for (let tried = 1; ; tried += 1) {
    const draft = compose(room);
    const { used, context } = await count(draft.messages);
    const excess = context === null ? 0 : used + needed - context;
    if (excess <= 0) {
      return draft;
    }
    if (room === 0) {
      throw new Error(tooLongText(used, needed, context ?? 0));
    }
    room = tried === TRIES ? 0 : Math.max(0, Math.floor((room - excess) * 0.9));
  }
}

function tooLongText(used: number, needed: number, context: number): string {
  return trans.__(
    'The question has %1 tokens and its answer needs about %2, but the context of the model has %3. ' +
      'Select less code and write what to change (Ctrl+K), or load the model with a larger context.',
    used,
    needed,
    context
  );
}

/** Remote models that cannot be asked for the number of tokens. */
const uncounted = new Set<string>();

/**
 * Return a function that counts the tokens of messages by the server, which loads the model.
 *
 * Not every server of a remote model counts. Its tokens are estimated.
 */
export function counter(
  transport: Transport,
  model: Model,
  signal: AbortSignal
): (messages: readonly ChatMessage[]) => Promise<Count> {
  const estimate = (messages: readonly ChatMessage[]): Count => ({
    used: sum(messages.map(({ content }) => estimateTokens(content) + MESSAGE_TOKENS)),
    context: model.num_ctx ?? model.context_length ?? null
  });
  return async messages => {
    if (uncounted.has(model.id)) {
      return estimate(messages);
    }
    try {
      const body = { model: model.id, messages };
      const reply = (await transport.request('POST', 'chat/template', body, signal)) as {
        readonly prompt_tokens: number;
        readonly max_model_len: number | null;
      };
      const context = reply.max_model_len ?? estimate(messages).context;
      return { used: reply.prompt_tokens, context };
    } catch (error) {
      if (error instanceof RequestError && model.format === 'remote') {
        uncounted.add(model.id);
        return estimate(messages);
      }
      throw error;
    }
  };
}

/** Return the tokens of an answer that is a new version of code. */
export function tokensOfAnswer(code: string): number {
  return Math.ceil(estimateTokens(code) * 1.25) + LEAST_ANSWER;
}
