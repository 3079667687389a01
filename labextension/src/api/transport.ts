/** The interface between views and the server, with its errors and URL paths. */

import type { PowerEvent } from './types.js';

/** Sends requests to one server. Paths are relative to `v1/`. */
export interface Transport {
  /** Address of the notebook server, for code that uses it; null where the page does not know it. */
  readonly baseUrl: string | null;
  /**
   * Resolve with the JSON of the reply, or reject with a `RequestError`.
   *
   * Rejects with another error, of `signal.reason`, once `signal` is aborted.
   */
  request(method: string, path: string, body?: object, signal?: AbortSignal): Promise<unknown>;
  /** Send a request that the end of the page does not stop. The reply is not known. */
  sendLast?(method: string, path: string, body: object): void;
  /** Yield the events of the reply to a POST. */
  stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void>;
  /**
   * Call `onEvent` with each event of `GET /v1/events` until `signal` is aborted.
   *
   * Calls `onLost` and reconnects whenever the connection is lost. Rejects with a `RequestError`
   * if the server refuses the request for good.
   */
  follow(
    onEvent: (event: PowerEvent) => void,
    onLost: () => void,
    signal: AbortSignal
  ): Promise<void>;
}

/** HTTP statuses from 400 to 499 that may pass; 424 is JupyterHub's for a server that starts. */
const TEMPORARY = [408, 424, 425, 429];

/** What a server may say about an error besides its message and code. */
export interface ErrorFacts {
  /** Which of the causes of its code an error has: "offline", "rate_limited", "gated", ... */
  readonly reason?: string;
  /** The field that is wrong: "default_parameters.top_p", for instance. */
  readonly param?: string;
  /** References of models that can be requested instead. */
  readonly candidates?: readonly string[];
  /** Seconds after which the request may succeed. */
  readonly retryAfter?: number;
}

/**
 * A failed request. `code` is the error code of the API, if the server sent one, and `status` the
 * HTTP status, if there was a response.
 */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly code = '',
    readonly status = 0,
    readonly facts: ErrorFacts = {}
  ) {
    super(message);
  }

  /** Whether the reply is from this server extension, not from a proxy or from nobody. */
  get isOurs(): boolean {
    return this.code !== '';
  }

  /** Whether the same request would fail again. A proxy may refuse it while the server starts. */
  get isFinal(): boolean {
    const { status } = this;
    const isRefused = status >= 400 && status < 500 && !TEMPORARY.includes(status);
    return isRefused && (this.isOurs || status === 404);
  }
}

/**
 * Return the error of a response with an error status, or with another content than expected.
 *
 * The response may be from a proxy: JupyterHub's replies in place of a server that does not run.
 */
export async function errorOfResponse(response: Response): Promise<RequestError> {
  const { status, headers } = response;
  const text = await response.text();
  try {
    const error = errorInBody(JSON.parse(text), status, secondsIn(headers.get('Retry-After')));
    if (error !== null) {
      return error;
    }
  } catch {
    // The body is not JSON, so it is not from this server extension.
  }
  if (response.ok && response.redirected) {
    return loggedOut(); // this is the login page
  }
  const message =
    status === 404
      ? 'The server extension a3s_power_jupyter does not run in this notebook server. ' +
        'Install or enable it, then restart the server.'
      : `No reply from the notebook server, but HTTP status ${status} from a proxy. ` +
        'Check that the server is running.';
  return new RequestError(message, '', status);
}

/** Return the error of a page without valid credentials. */
function loggedOut(): RequestError {
  const message =
    'You are logged out on this page. Reload it, or log in in another tab and come back.';
  return new RequestError(message, 'unauthorized', 401);
}

/** Return what a page says about an error: how to send a token is of no use there. */
export function forPage(error: RequestError): RequestError {
  return error.code === 'unauthorized' ? loggedOut() : error;
}

/** Return the seconds of a `Retry-After` header; undefined if it is missing or a date. */
function secondsIn(header: string | null): number | undefined {
  return header !== null && /^\d+$/.test(header) ? Number(header) : undefined;
}

interface ErrorBody {
  readonly message?: string;
  readonly code?: string;
  readonly candidates?: unknown;
  readonly reason?: string;
  readonly param?: string;
  readonly retry_after?: number;
}

/** Return the error in `{"error": {"message", "code"}}`, or null for any other JSON. */
export function errorInBody(body: unknown, status = 0, retryAfter?: number): RequestError | null {
  const error = (body as { error?: ErrorBody } | null | undefined)?.error;
  if (!error) {
    return null;
  }
  const { candidates, reason, param } = error;
  const seconds = error.retry_after ?? retryAfter;
  return new RequestError(String(error.message), error.code, status, {
    ...(Array.isArray(candidates) && { candidates: candidates.map(String) }),
    ...(reason !== undefined && { reason }),
    ...(param !== undefined && { param }),
    ...(seconds !== undefined && { retryAfter: seconds })
  });
}

/** Return the message of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Return the path of a model, or of one of its actions. */
export function modelPath(id: string, action = ''): string {
  const name = id === 'pull' ? '%70ull' : encodeURIComponent(id); // `models/pull` lists the pulls
  return `models/${name}${action && `/${action}`}`;
}

/** Return the path of a pull, or of one of its actions. */
export function pullPath(name: string, action = ''): string {
  return `models/pull/${encodeURIComponent(name)}${action && `/${action}`}`;
}
