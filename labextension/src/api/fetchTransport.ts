/** Send requests directly from the page, which works while the kernel is busy. */

import { reconnect } from './reconnect.js';
import { readEvents } from './sse.js';
import { errorOfResponse, RequestError, type Transport } from './transport.js';
import type { PowerEvent } from './types.js';

/** Sends a request; `path` is relative to the notebook server's base URL. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

export interface FollowOptions {
  /**
   * Milliseconds without a byte after which the connection counts as lost. The server sends a
   * comment every 15 s.
   */
  readonly idleTimeout?: number;
  /** Milliseconds before the first reconnection. */
  readonly retryDelay?: number;
}

export class FetchTransport implements Transport {
  constructor(
    private readonly fetch: Fetch,
    private readonly options: FollowOptions = {},
    readonly baseUrl: string | null = null
  ) {}

  async request(
    method: string,
    path: string,
    body?: object,
    signal?: AbortSignal
  ): Promise<unknown> {
    const init: RequestInit = { method };
    if (signal !== undefined) {
      init.signal = signal;
    }
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    const response = await this.send(path, init);
    if (!response.ok) {
      throw await errorOfResponse(response);
    }
    return response.json();
  }

  sendLast(method: string, path: string, body: object): void {
    const headers = { 'Content-Type': 'application/json' };
    const init = { method, headers, body: JSON.stringify(body), keepalive: true };
    this.fetch(`v1/${path}`, init).catch(() => undefined); // too large, or the server is gone
  }

  async *stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream' };
    const init = { method: 'POST', headers, body: JSON.stringify(body), signal };
    yield* readEvents(await this.send(path, init));
  }

  follow(
    onEvent: (event: PowerEvent) => void,
    onLost: () => void,
    signal: AbortSignal
  ): Promise<void> {
    const connect = (onReceived: () => void) =>
      this.readEventFeed(event => {
        onReceived();
        onEvent(event);
      }, signal);
    return reconnect(connect, onLost, signal, this.options.retryDelay);
  }

  /** Read `GET /v1/events` over one connection. */
  private async readEventFeed(
    onEvent: (event: PowerEvent) => void,
    signal: AbortSignal
  ): Promise<void> {
    const idle = new IdleTimeout(signal, this.options.idleTimeout ?? 45_000);
    try {
      const response = await this.fetch('v1/events', { signal: idle.signal });
      if (response.status === 404) {
        throw new RequestError(
          'The server extension a3s_power_jupyter does not run in this notebook server. ' +
            'Install or enable it, then restart the server.',
          '',
          response.status
        );
      }
      for await (const event of readEvents(response, () => idle.restart())) {
        onEvent(event as PowerEvent);
      }
    } finally {
      idle.close();
    }
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.fetch(`v1/${path}`, init);
    } catch (error) {
      if (init.signal?.aborted) {
        throw error;
      }
      throw new RequestError('Cannot reach the notebook server. Check that it is still running.');
    }
  }
}

/** Abort `signal` when `outer` aborts, or `milliseconds` after the last call of `restart`. */
class IdleTimeout {
  private readonly controller = new AbortController();
  private readonly abort = () => this.controller.abort();
  private timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly outer: AbortSignal,
    private readonly milliseconds: number
  ) {
    outer.addEventListener('abort', this.abort);
    this.timer = setTimeout(this.abort, milliseconds);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  restart(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.abort, this.milliseconds);
  }

  close(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener('abort', this.abort);
    this.abort();
  }
}

/**
 * Return the transport to the Jupyter server that served the page, or null on other pages.
 *
 * Requests include the page's cookie and XSRF token, and the server's token if the page has it.
 */
export function pageTransport(document: Document): FetchTransport | null {
  const config = document.getElementById('jupyter-config-data')?.textContent;
  if (!config) {
    return null;
  }
  const { baseUrl, token } = JSON.parse(config) as { baseUrl?: string; token?: string };
  if (!baseUrl) {
    return null;
  }
  const base = new URL(baseUrl, document.location.href);
  const send: Fetch = (path, init) => {
    const headers = new Headers(init.headers);
    const xsrf = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1];
    if (xsrf) {
      headers.set('X-XSRFToken', xsrf);
    }
    if (token) {
      headers.set('Authorization', `token ${token}`);
    }
    return fetch(new URL(path, base), { ...init, headers, credentials: 'same-origin' });
  };
  return new FetchTransport(send, {}, base.href);
}
