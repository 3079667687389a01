/**
 * The server that the kernel knows, asked by the kernel: for hosts whose page comes from elsewhere.
 * A busy kernel answers when it is done; ipykernel 7 has subshells for comms, but sends a message to
 * the one in which the comm was used last, and that may be the busy one.
 */

import { keepTrying } from './follow.js';
import { failureIn, type Transport } from './transport.js';
import type { PowerEvent } from './state.js';

/** What is used of a widget's model. */
export interface Comm {
  send(content: object): void;
  on(event: 'msg:custom', listener: (content: unknown) => void): void;
  off(event: 'msg:custom', listener: (content: unknown) => void): void;
}

/** What the kernel sends: an item under the id of a request; `done` ends it. */
interface Message {
  readonly id: string;
  readonly item?: unknown;
  readonly done?: boolean;
}

export class KernelTransport implements Transport {
  private number = 0;
  private readonly prefix = Math.random().toString(36).slice(2);

  constructor(private readonly comm: Comm) {}

  async request(method: string, path: string, body?: object): Promise<unknown> {
    let reply: unknown = null;
    for await (const item of this.ask({ method, path, body })) {
      reply = item;
    }
    return reply;
  }

  stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void> {
    return this.ask({ method: 'POST', path, body, stream: true }, signal);
  }

  follow(
    onEvent: (event: PowerEvent) => void,
    onLost: () => void,
    signal: AbortSignal
  ): Promise<void> {
    const attempt = async (heard: () => void) => {
      for await (const event of this.ask({ method: 'GET', path: 'events', stream: true }, signal)) {
        heard();
        onEvent(event as PowerEvent);
      }
      return true;
    };
    return keepTrying(attempt, onLost, signal);
  }

  /** The items of one request; leaving them, or `signal`, tells the kernel to stop. */
  private async *ask(request: object, signal?: AbortSignal): AsyncGenerator<unknown, void> {
    this.number += 1;
    const id = `${this.prefix}-${this.number}`;
    const waiting: Message[] = [];
    let wake = () => {};
    const listener = (content: unknown) => {
      const message = content as Message;
      if (message.id === id) {
        waiting.push(message);
        wake();
      }
    };
    const abort = () => wake();
    this.comm.on('msg:custom', listener);
    signal?.addEventListener('abort', abort);
    let ended = false;
    try {
      this.comm.send({ id, ...request });
      while (!signal?.aborted) {
        const message = waiting.shift();
        if (message === undefined) {
          await new Promise<void>(resolve => (wake = resolve));
          continue;
        }
        const failure = failureIn(message.item);
        if (failure !== null) {
          ended = true;
          throw failure;
        }
        if (message.item !== undefined) {
          yield message.item;
        }
        if (message.done) {
          ended = true;
          return;
        }
      }
    } finally {
      this.comm.off('msg:custom', listener);
      signal?.removeEventListener('abort', abort);
      if (!ended) {
        this.comm.send({ id, stop: true });
      }
    }
  }
}
