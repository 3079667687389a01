/** How a view reaches the server: by the page's own requests, or through the kernel. */

import { EventStreamParser } from './sse.js';
import type { PowerEvent } from './state.js';

export interface Transport {
  /** The JSON of the reply; `path` comes after `v1/`. Rejects with a `RequestFailed`. */
  request(method: string, path: string, body?: object): Promise<unknown>;
  /** The events of the reply to a POST, to their end. */
  stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void>;
  /** Gives the events of models and pulls until `signal` is aborted, over lost connections. */
  follow(
    onEvent: (event: PowerEvent) => void,
    onLost: () => void,
    signal: AbortSignal
  ): Promise<void>;
}

/** What the server, or the way to it, says went wrong; a message says what to do. */
export class RequestFailed extends Error {
  constructor(
    message: string,
    readonly code: string = ''
  ) {
    super(message);
  }
}

/** A `RequestFailed` of a reply that is none of 200 to 299; a proxy may have answered it. */
export async function failureOf(response: Response): Promise<RequestFailed> {
  const text = await response.text();
  try {
    return (
      failureIn(JSON.parse(text)) ?? new RequestFailed(`The server answered ${response.status}.`)
    );
  } catch {
    return new RequestFailed(`The server answered ${response.status}.`);
  }
}

/** The failure in an error body of the contract; null where there is none. */
export function failureIn(body: unknown): RequestFailed | null {
  const error = (body as { error?: { message?: unknown; code?: unknown } } | null)?.error;
  return error ? new RequestFailed(String(error.message), String(error.code ?? '')) : null;
}

/** The events of a streamed reply. Rejects with the error that the server sends inside it. */
export async function* eventsOf(response: Response): AsyncGenerator<unknown, void> {
  if (!response.ok || response.body === null) {
    throw await failureOf(response);
  }
  const parser = new EventStreamParser();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      for (const data of parser.push(value)) {
        if (data === '[DONE]') {
          return;
        }
        const event: unknown = JSON.parse(data);
        const failure = failureIn(event);
        if (failure !== null) {
          throw failure;
        }
        yield event;
      }
    }
  } finally {
    await reader.cancel();
  }
}

/** The path of a model, or of something that it can do. */
export function modelPath(id: string, action = ''): string {
  const name = id === 'pull' ? '%70ull' : encodeURIComponent(id); // a plain one lists the pulls
  return `models/${name}${action && `/${action}`}`;
}

/** The path of a pull. */
export function pullPath(name: string, action = ''): string {
  return `models/pull/${encodeURIComponent(name)}${action && `/${action}`}`;
}
