/** The server that served the page, asked by the page itself: also while a kernel is busy. */

import { follow } from './follow.js';
import type { PowerEvent } from './state.js';
import { eventsOf, failureOf, RequestFailed, type Transport } from './transport.js';

/** Sends a request; `path` is relative to the notebook server's base URL. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

export class PageTransport implements Transport {
  constructor(private readonly fetch: Fetch) {}

  async request(method: string, path: string, body?: object): Promise<unknown> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    const response = await this.send(path, init);
    if (!response.ok) {
      throw await failureOf(response);
    }
    return response.json();
  }

  async *stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream' };
    const init = { method: 'POST', headers, body: JSON.stringify(body), signal };
    yield* eventsOf(await this.send(path, init));
  }

  follow(
    onEvent: (event: PowerEvent) => void,
    onLost: () => void,
    signal: AbortSignal
  ): Promise<void> {
    return follow({
      open: signal => this.fetch('v1/events', { signal }),
      onEvent,
      onLost,
      signal
    });
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.fetch(`v1/${path}`, init);
    } catch (error) {
      if (init.signal?.aborted) {
        throw error;
      }
      throw new RequestFailed('The notebook server does not answer. Is it still running?');
    }
  }
}

/**
 * The transport of a page that a Jupyter server made; null in other hosts. Requests carry the
 * page's cookie, with Jupyter's token against forged requests, and the token that the page has.
 */
export function pageTransport(document: Document): PageTransport | null {
  const config = document.getElementById('jupyter-config-data')?.textContent;
  if (!config) {
    return null;
  }
  const { baseUrl, token } = JSON.parse(config) as { baseUrl?: string; token?: string };
  if (!baseUrl) {
    return null;
  }
  const base = new URL(baseUrl, document.location.href);
  return new PageTransport((path, init) => {
    const headers = new Headers(init.headers);
    const forgery = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1];
    if (forgery) {
      headers.set('X-XSRFToken', forgery);
    }
    if (token) {
      headers.set('Authorization', `token ${token}`);
    }
    return fetch(new URL(path, base), { ...init, headers, credentials: 'same-origin' });
  });
}
