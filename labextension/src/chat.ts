/** A conversation, without its looks: what was said, and the answer under way. */

import type { Transport } from './transport.js';

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface Parameters {
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly system?: string;
}

/** Tokens, and seconds from the first to the last. */
export interface Speed {
  readonly tokens: number;
  readonly seconds: number;
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

/** The body of the request for the next answer. */
export function chatBody(
  model: string,
  messages: readonly Message[],
  { system, ...parameters }: Parameters
): object {
  const first = system ? [{ role: 'system', content: system }] : [];
  return {
    model,
    messages: [...first, ...messages],
    ...parameters,
    stream: true,
    stream_options: { include_usage: true }
  };
}

/**
 * Ask for the next answer.
 *
 * `onText` gets the whole text so far, with each piece. Resolves with the speed when the answer is
 * complete or `signal` is aborted; rejects with what went wrong. `clock` gives milliseconds.
 */
export async function ask(
  transport: Transport,
  body: object,
  onText: (text: string) => void,
  signal: AbortSignal,
  clock: () => number = () => performance.now()
): Promise<Speed> {
  let text = '';
  let tokens = 0;
  let first = 0;
  let last = 0;
  try {
    for await (const event of transport.stream('chat/completions', body, signal)) {
      const chunk = event as Chunk;
      const piece = chunk.choices?.[0]?.delta?.content;
      if (piece) {
        last = clock();
        first ||= last;
        tokens += 1;
        text += piece;
        onText(text);
      }
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
  return { tokens, seconds: (last - first) / 1000 };
}

/** "31 tokens, 42 per second"; what came before the first token is not counted. */
export function formatSpeed({ tokens, seconds }: Speed): string {
  const rate =
    tokens > 1 && seconds > 0 ? `, ${Math.round((tokens - 1) / seconds)} per second` : '';
  return `${tokens} token${tokens === 1 ? '' : 's'}${rate}`;
}
