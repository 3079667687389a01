/** How much of the context a conversation uses, as far as it is known. */

import type { Model } from '../../api/types.js';
import { isInMemory } from '../../state/state.js';
import { formatNumber } from '../format.js';
import { trans } from '../i18n.js';
import { countsOf, measurementsOf } from './answerLine.js';
import type { Message } from './chatCompletion.js';
import { contentOf, thoughtsOf } from './messageText.js';

/** Share of the context from which on the meter warns. */
const NEARLY_FULL = 0.85;

/** Characters of a token, in the mean of common languages and tokenizers. */
const CHARACTERS = 4;

/** Tokens of an image, of which models have from 64 to some thousands. */
const IMAGE_TOKENS = 500;

export interface ContextUse {
  readonly tokens: number;
  /** Whether the tokens are counted by the server. Otherwise they are estimated. */
  readonly isCounted: boolean;
  /** Tokens that fit; null if that is not known. */
  readonly limit: number | null;
}

export type Fullness = 'fits' | 'nearly' | 'full';

/** Return the tokens that fit: those of a loaded model; null for others. */
export function contextLimit(model: Model | undefined): number | null {
  return model !== undefined && isInMemory(model) ? (model.num_ctx ?? null) : null;
}

/** Whether the server can count tokens of a model without loading it first. */
export function isCountable(model: Model | undefined): boolean {
  return model !== undefined && model.format !== 'remote' && isInMemory(model);
}

/** Return an estimate of the tokens of a text. */
export function estimateTokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS);
}

/** Return an estimate of the tokens of messages. */
export function estimateMessages(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => {
    const { content } = message;
    const images = (Array.isArray(content) ? content : []).filter(
      part => (part as { type?: unknown } | null)?.type === 'image_url'
    );
    const text =
      contentOf(message) + thoughtsOf(message) + JSON.stringify(message.tool_calls ?? '');
    return sum + estimateTokens(text) + 4 + images.length * IMAGE_TOKENS;
  }, 0);
}

/**
 * Return the tokens of the conversation after its last answer, as the server has counted them.
 *
 * Null if the last message is no answer, or was not counted.
 */
export function countedTokens(messages: readonly Message[]): number | null {
  const last = messages.at(-1);
  const measurements = last?.role === 'assistant' ? measurementsOf(last.measurements) : null;
  const counts = measurements && countsOf(measurements);
  return counts && counts.prompt_tokens + counts.completion_tokens;
}

export function fullness({ tokens, limit }: ContextUse): Fullness {
  if (limit === null) {
    return 'fits';
  }
  return tokens >= limit ? 'full' : tokens >= NEARLY_FULL * limit ? 'nearly' : 'fits';
}

/** Return "1,203 of 4,096 tokens", with "≈" if it is an estimate. */
export function useText({ tokens, isCounted, limit }: ContextUse): string {
  const used = `${isCounted ? '' : '≈ '}${formatNumber(tokens)}`;
  return limit === null
    ? trans._n('%2 token', '%2 tokens', tokens, used)
    : trans.__('%1 of %2 tokens', used, formatNumber(limit));
}

/** Return what happens when the context is full, or nearly so; '' otherwise. */
export function fullnessText(use: ContextUse): string {
  const { limit, tokens } = use;
  switch (fullness(use)) {
    case 'full':
      return trans.__(
        'This does not fit into the context of %1 tokens, so the model will refuse it. ' +
          'Begin a new chat, delete messages, or load the model with a larger context.',
        formatNumber(limit ?? 0)
      );
    case 'nearly':
      return trans.__(
        'The context is nearly full: answers end after %1 more tokens.',
        formatNumber((limit ?? 0) - tokens)
      );
    default:
      return '';
  }
}

/** Return the context to load a model with when the present one is full; null if there is none. */
export function largerContext(model: Model | undefined, needed: number): number | null {
  const { num_ctx: current = 0, context_length: trained = 0 } = model ?? {};
  if (model?.format === 'remote' || current === 0 || trained <= current) {
    return null;
  }
  let larger = 2 * current;
  while (larger < needed) {
    larger *= 2;
  }
  return Math.min(larger, trained);
}
