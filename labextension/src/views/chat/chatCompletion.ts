/** Request chat completions and measure their time. */

import type { Transport } from '../../api/transport.js';
import {
  type Answer,
  areCounts,
  tokensOf,
  type Timings,
  timingsFrom,
  type Usage,
  usageFrom
} from './answerLine.js';
import type { ToolCall } from './toolRunner.js';

/**
 * A message in the format of OpenAI's API. Code in the notebook can set the messages of a chat, so
 * their fields may have any form; see `messageText.ts`.
 */
export interface Message {
  readonly role: string;
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly tool_calls?: unknown;
  /** Of a result: the id of its call. */
  readonly tool_call_id?: unknown;
  /** What is attached to a question; see `question.ts`. Not sent. */
  readonly attachments?: unknown;
  /** The tokens and times of an answer, an `Answer`. Not sent. */
  readonly measurements?: unknown;
}

/** Parameters of a conversation. Those that are missing have the defaults of the model. */
export interface Parameters {
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly top_p?: number;
  readonly seed?: number;
  readonly system?: string;
  /** Names of the tools that the model may call. */
  readonly tools?: readonly string[];
}

const NUMBERS = ['temperature', 'max_tokens', 'top_p', 'seed'] as const;

/** Return what is usable of parameters that were saved, or set in the notebook. */
export function parametersFrom(value: unknown): Parameters {
  const { system, tools, ...rest } = (value ?? {}) as Record<string, unknown>;
  const names = Array.isArray(tools) ? tools.filter(name => typeof name === 'string') : [];
  return {
    ...Object.fromEntries(
      NUMBERS.flatMap(name => (Number.isFinite(rest[name]) ? [[name, rest[name]]] : []))
    ),
    ...(typeof system === 'string' && system !== '' && { system }),
    ...(names.length > 0 && { tools: names })
  };
}

/** A part of a call. The first one of an index has its id and name. */
interface CallDelta {
  readonly index?: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string } | null;
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: unknown;
      /** The name that some upstreams use for `reasoning_content`. */
      readonly reasoning?: unknown;
      readonly tool_calls?: readonly CallDelta[] | null;
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
  /** Called with the calls so far, each with the arguments that have come. */
  onCalls?(calls: readonly ToolCall[]): void;
  /** Called with the tokens of the prompt and the answer so far, if the server counts them. */
  onTokens?(tokens: number): void;
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
  { system, tools: _names, ...parameters }: Parameters,
  local: boolean,
  tools: readonly object[] = []
): object {
  const systemMessages = system ? [{ role: 'system', content: system }] : [];
  return {
    model,
    messages: [...systemMessages, ...messages.map(asSent)],
    ...parameters,
    ...(tools.length > 0 && { tools }),
    stream: true,
    stream_options: { include_usage: true },
    ...(local && { return_progress: true, timings_per_token: true })
  };
}

/** Return a message without the fields that only the chat knows. */
function asSent(message: Message): Message {
  const { attachments: _attachments, measurements: _measurements, ...sent } = message;
  return sent;
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
  const calls = new Calls();
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
      if (delta?.tool_calls?.length) {
        firstTokenSeconds ??= secondsSinceStart();
        calls.add(delta.tool_calls);
        listener.onCalls?.(calls.all);
      }
      usage = usageFrom(chunk.usage) ?? usage;
      const latest = timingsFrom(chunk.timings);
      if (latest !== null) {
        timings = latest;
        listener.onTokens?.(tokensOf(latest));
      }
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
  return { usage, timings, firstTokenSeconds, seconds: secondsSinceStart() };
}

/** Puts the calls of an answer together from their parts. */
class Calls {
  private readonly byIndex = new Map<number, ToolCall>();

  get all(): ToolCall[] {
    return [...this.byIndex.values()];
  }

  add(deltas: readonly CallDelta[]): void {
    for (const { index = 0, id, function: part } of deltas) {
      const call = this.byIndex.get(index) ?? { id: '', name: '', arguments: '' };
      this.byIndex.set(index, {
        id: call.id || (id ?? ''),
        name: call.name || (part?.name ?? ''),
        arguments: call.arguments + (part?.arguments ?? '')
      });
    }
  }
}

function thoughtOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
