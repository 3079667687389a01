/** Request chat completions and measure their speed. */

import type { Transport } from '../api/transport.js';

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface Parameters {
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly system?: string;
}

/** Number of generated tokens, and the seconds from the first to the last. */
export interface Speed {
  readonly tokens: number;
  readonly seconds: number;
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

/** Return the body of the request for the next answer. */
export function chatRequest(
  model: string,
  messages: readonly Message[],
  { system, ...parameters }: Parameters
): object {
  const systemMessages = system ? [{ role: 'system', content: system }] : [];
  return {
    model,
    messages: [...systemMessages, ...messages],
    ...parameters,
    stream: true,
    stream_options: { include_usage: true }
  };
}

/**
 * Request an answer and stream it to `onText`, which receives the whole text so far.
 *
 * Resolves when the answer is complete or `signal` is aborted. `clock` returns milliseconds.
 */
export async function streamAnswer(
  transport: Transport,
  request: object,
  onText: (text: string) => void,
  signal: AbortSignal,
  clock: () => number = () => performance.now()
): Promise<Speed> {
  let text = '';
  let tokens = 0;
  let first = 0;
  let last = 0;
  try {
    for await (const event of transport.stream('chat/completions', request, signal)) {
      const chunk = event as Chunk;
      const delta = chunk.choices?.[0]?.delta?.content;
      if (delta) {
        last = clock();
        first ||= last;
        tokens += 1;
        text += delta;
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

/** Format a speed as "31 tokens, 42 per second", without the time to the first token. */
export function formatSpeed({ tokens, seconds }: Speed): string {
  const rate =
    tokens > 1 && seconds > 0 ? `, ${Math.round((tokens - 1) / seconds)} per second` : '';
  return `${tokens} token${tokens === 1 ? '' : 's'}${rate}`;
}
