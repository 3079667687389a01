/** Send requests directly from the page, which works while the kernel is busy. */

import { reconnect } from './reconnect.js';
import { readEvents } from './sse.js';
import { errorOfResponse, forPage, RequestError, type Transport } from './transport.js';
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
  /** The connections to the event stream. */
  private readonly feeds = new Set<IdleTimeout>();

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
    return (await this.send(path, init)).json();
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

  /**
   * Connect to the event stream anew, because the server may be gone or the page logged out.
   *
   * A proxy may keep the connection open without a server behind it.
   */
  checkConnection(): void {
    this.feeds.forEach(feed => feed.expire());
  }

  /** Read `GET /v1/events` over one connection. */
  private async readEventFeed(
    onEvent: (event: PowerEvent) => void,
    signal: AbortSignal
  ): Promise<void> {
    const idle = new IdleTimeout(signal, this.options.idleTimeout ?? 45_000);
    this.feeds.add(idle);
    try {
      const response = await accepted(await this.fetch('v1/events', { signal: idle.signal }));
      for await (const event of readEvents(response, () => idle.restart())) {
        onEvent(event as PowerEvent);
      }
    } finally {
      this.feeds.delete(idle);
      idle.close();
    }
  }

  /** Return the response to a request, or throw its error. */
  private async send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await accepted(await this.fetch(`v1/${path}`, init));
    } catch (error) {
      if (init.signal?.aborted) {
        throw error;
      }
      if (!(error instanceof RequestError)) {
        this.checkConnection();
        throw new RequestError('Cannot reach the notebook server. Check that it is still running.');
      }
      if (!error.isOurs || error.status === 401) {
        this.checkConnection();
      }
      throw error;
    }
  }
}

/** Return a successful response of the server extension, which is never HTML; throw any other. */
async function accepted(response: Response): Promise<Response> {
  if (response.ok && !response.headers.get('Content-Type')?.startsWith('text/html')) {
    return response;
  }
  throw forPage(await errorOfResponse(response));
}

/**
 * Abort `signal` when `outer` aborts, when `expire` is called, or `milliseconds` after the last call
 * of `restart`.
 */
class IdleTimeout {
  private readonly controller = new AbortController();
  readonly expire = () => this.controller.abort();
  private timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly outer: AbortSignal,
    private readonly milliseconds: number
  ) {
    outer.addEventListener('abort', this.expire);
    this.timer = setTimeout(this.expire, milliseconds);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  restart(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.expire, this.milliseconds);
  }

  close(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener('abort', this.expire);
    this.expire();
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
