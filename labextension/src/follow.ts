/** Follows `GET /v1/events` for as long as it makes sense, over lost connections. */

import type { PowerEvent } from './state.js';
import { EventStreamParser } from './sse.js';

export interface FollowOptions {
  /** Sends the request; `signal` ends it and its stream. */
  readonly open: (signal: AbortSignal) => Promise<Response>;
  readonly onEvent: (event: PowerEvent) => void;
  /** The connection is lost: what was known may no longer be true. */
  readonly onLost: () => void;
  /** Ends it all. */
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the connection counts as lost. The server sends a
   * comment every 15 s. */
  readonly silence?: number;
  /** Milliseconds before the first new attempt; doubles with each that fails, up to 30 s. */
  readonly delay?: number;
}

const LONGEST_DELAY = 30_000;

/**
 * Resolves when `signal` is aborted, or when the server answers 404: it does not have the
 * extension, and will not have it before it is restarted and the page with it.
 */
export async function follow(options: FollowOptions): Promise<void> {
  const { open, onEvent, onLost, signal, silence = 45_000, delay } = options;
  const attempt = async (heard: () => void) => {
    const connection = new Connection(signal, silence);
    try {
      const response = await open(connection.signal);
      if (response.status === 404) {
        return false;
      }
      for await (const event of connection.events(response)) {
        heard();
        onEvent(event);
      }
    } finally {
      connection.close();
    }
    return true;
  };
  await keepTrying(attempt, onLost, signal, delay);
}

/**
 * Makes one attempt after the other until `signal` is aborted, or one gives false. It waits
 * `delay` milliseconds between two, and twice as long each time that nothing was `heard`.
 */
export async function keepTrying(
  attempt: (heard: () => void) => Promise<boolean>,
  onLost: () => void,
  signal: AbortSignal,
  delay = 1_000
): Promise<void> {
  let failures = 0;
  const heard = () => {
    failures = 0;
  };
  while (!signal.aborted) {
    try {
      if (!(await attempt(heard))) {
        return;
      }
    } catch (error) {
      if (!signal.aborted) {
        console.warn('a3s-power: the stream of model events broke off.', error);
      }
    }
    if (!signal.aborted) {
      onLost();
      await sleep(Math.min(delay * 2 ** failures, LONGEST_DELAY), signal);
      failures += 1;
    }
  }
}

/** One attempt: ends with `outer`, or when nothing was heard for `silence` milliseconds. */
class Connection {
  private readonly controller = new AbortController();
  private readonly abort = () => this.controller.abort();
  private timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly outer: AbortSignal,
    private readonly silence: number
  ) {
    outer.addEventListener('abort', this.abort);
    this.timer = setTimeout(this.abort, silence);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The events of a reply, as they come. */
  async *events(response: Response): AsyncGenerator<PowerEvent, void> {
    if (!response.ok || response.body === null) {
      throw new Error(`The server answered ${response.status}.`);
    }
    const parser = new EventStreamParser();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      this.heard();
      for (const data of parser.push(value)) {
        yield JSON.parse(data) as PowerEvent;
      }
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener('abort', this.abort);
    this.controller.abort();
  }

  private heard(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.abort, this.silence);
  }
}

/** Resolves after `milliseconds`, or when `signal` is aborted. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
