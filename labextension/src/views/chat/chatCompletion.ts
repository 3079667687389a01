/** Request chat completions and measure their time. */

import type { Transport } from '../../api/transport.js';
import {
  type Answer,
  areCounts,
  type Timings,
  timingsFrom,
  type Usage,
  usageFrom
} from './answerLine.js';

/**
 * A message in the format of OpenAI's API. Code in the notebook can set the messages of a chat, so
 * their fields may have any form; see `messageText.ts`.
 */
export interface Message {
  readonly role: string;
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly tool_calls?: unknown;
}

export interface Parameters {
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly system?: string;
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: unknown;
      /** The name that some upstreams use for `reasoning_content`. */
      readonly reasoning?: unknown;
    };
  }[];
  readonly usage?: unknown;
  readonly timings?: unknown;
  /** Sent while the prompt is read, if the request has `return_progress`. */
  readonly prompt_progress?: { readonly processed: number; readonly total: number } | null;
}

/** Receives the parts of an answer while it is generated. */
export interface Listener {
  /** Called with the whole text so far. */
  onText(text: string): void;
  /** Called with all thoughts so far, and for how many seconds the model has been thinking. */
  onThoughts?(thoughts: string, seconds: number): void;
  /** Called with the number of prompt tokens that are read, and of all. */
  onReading?(processed: number, total: number): void;
}

/**
 * Return the body of the request for the next answer.
 *
 * `local` asks for the progress in the prompt and the timings of each token, which only this
 * server and llama.cpp's know.
 */
export function chatRequest(
  model: string,
  messages: readonly Message[],
  { system, ...parameters }: Parameters,
  local: boolean
): object {
  const systemMessages = system ? [{ role: 'system', content: system }] : [];
  return {
    model,
    messages: [...systemMessages, ...messages],
    ...parameters,
    stream: true,
    stream_options: { include_usage: true },
    ...(local && { return_progress: true, timings_per_token: true })
  };
}

/**
 * Request an answer and stream it to `listener`.
 *
 * Resolves when the answer is complete or `signal` is aborted. `clock` returns milliseconds.
 */
export async function streamAnswer(
  transport: Transport,
  request: object,
  listener: Listener,
  signal: AbortSignal,
  clock: () => number = () => performance.now()
): Promise<Answer> {
  const start = clock();
  const secondsSinceStart = () => (clock() - start) / 1000;
  let text = '';
  let thoughts = '';
  let thinkingSince = 0;
  let firstTokenSeconds: number | null = null;
  let usage: Usage | null = null;
  let timings: Timings | null = null;
  try {
    for await (const event of transport.stream('chat/completions', request, signal)) {
      const chunk = event as Chunk;
      const delta = chunk.choices?.[0]?.delta;
      const progress = chunk.prompt_progress;
      if (progress && areCounts(progress.processed, progress.total)) {
        listener.onReading?.(progress.processed, progress.total);
      }
      const thought = thoughtOf(delta?.reasoning_content) || thoughtOf(delta?.reasoning);
      if (delta?.content || thought) {
        firstTokenSeconds ??= secondsSinceStart();
      }
      if (thought) {
        thinkingSince = thoughts === '' ? clock() : thinkingSince;
        thoughts += thought;
        listener.onThoughts?.(thoughts, (clock() - thinkingSince) / 1000);
      }
      if (delta?.content) {
        text += delta.content;
        listener.onText(text);
      }
      usage = usageFrom(chunk.usage) ?? usage;
      timings = timingsFrom(chunk.timings) ?? timings;
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
  return { usage, timings, firstTokenSeconds, seconds: secondsSinceStart() };
}

function thoughtOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
