/**
 * Send requests through the kernel, for pages not served by the kernel's Jupyter server.
 *
 * `a3s_power_jupyter/widgets/bridge.py` is the other end. A busy kernel replies once it is idle:
 * ipykernel 7 has subshells for comms, but routes a message to the subshell that last used the
 * comm, which may be the busy one.
 */

import { reconnect } from './reconnect.js';
import { errorInBody, type Transport } from './transport.js';
import type { PowerEvent } from './types.js';

/** The part of a widget model that sends and receives custom messages. */
export interface Comm {
  send(content: object): void;
  on(event: 'msg:custom', listener: (content: unknown) => void): void;
  off(event: 'msg:custom', listener: (content: unknown) => void): void;
}

/** A message from the kernel: one item of the reply to the request `id`. `done` ends the reply. */
interface Message {
  readonly id: string;
  readonly item?: unknown;
  readonly done?: boolean;
}

export class CommTransport implements Transport {
  readonly baseUrl = null;
  private requests = 0;
  private readonly prefix = Math.random().toString(36).slice(2);

  constructor(private readonly comm: Comm) {}

  async request(
    method: string,
    path: string,
    body?: object,
    signal?: AbortSignal
  ): Promise<unknown> {
    let reply: unknown = null;
    for await (const item of this.send({ method, path, body }, signal)) {
      reply = item;
    }
    signal?.throwIfAborted();
    return reply;
  }

  stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void> {
    return this.send({ method: 'POST', path, body, stream: true }, signal);
  }

  follow(
    onEvent: (event: PowerEvent) => void,
    onLost: () => void,
    signal: AbortSignal
  ): Promise<void> {
    const request = { method: 'GET', path: 'events', stream: true };
    const connect = async (onReceived: () => void) => {
      for await (const event of this.send(request, signal)) {
        onReceived();
        onEvent(event as PowerEvent);
      }
    };
    return reconnect(connect, onLost, signal);
  }

  /** Yield the reply to one request. Ending the iteration or aborting `signal` cancels it. */
  private async *send(request: object, signal?: AbortSignal): AsyncGenerator<unknown, void> {
    this.requests += 1;
    const id = `${this.prefix}-${this.requests}`;
    const queue: Message[] = [];
    let wake: (() => void) | undefined;
    const listener = (content: unknown) => {
      const message = content as Message;
      if (message.id === id) {
        queue.push(message);
        wake?.();
      }
    };
    const onAbort = () => wake?.();
    this.comm.on('msg:custom', listener);
    signal?.addEventListener('abort', onAbort);
    let ended = false;
    try {
      this.comm.send({ id, ...request });
      while (!signal?.aborted) {
        const message = queue.shift();
        if (message === undefined) {
          await new Promise<void>(resolve => (wake = resolve));
          continue;
        }
        const error = errorInBody(message.item);
        ended = error !== null || message.done === true;
        if (error !== null) {
          throw error;
        }
        if (message.item !== undefined) {
          yield message.item;
        }
        if (ended) {
          return;
        }
      }
    } finally {
      this.comm.off('msg:custom', listener);
      signal?.removeEventListener('abort', onAbort);
      if (!ended) {
        this.comm.send({ id, stop: true });
      }
    }
  }
}
