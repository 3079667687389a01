/** Keep the state of a server up to date, with one event stream for all views of a page. */

import { messageOf, type Transport } from '../api/transport.js';
import type { PowerEvent } from '../api/types.js';
import { EMPTY, reduce, type State } from './state.js';

/**
 * `lost` means that the state may be out of date while the store reconnects, and `refused` that it
 * does not reconnect until the page becomes visible again.
 */
export type ConnectionStatus = 'connecting' | 'connected' | 'lost' | 'refused';

/** Receives the state, the connection, and the reason if the connection was refused. */
export type Listener = (state: State, connection: ConnectionStatus, reason: string) => void;

/** Milliseconds to keep the stream open without listeners, in case a new one subscribes. */
const LINGER = 2_000;

export class Store {
  private readonly eventListeners = new Set<(event: PowerEvent) => void>();
  private readonly listeners = new Set<Listener>();
  private state: State = EMPTY;
  private connection: ConnectionStatus = 'connecting';
  private reason = '';
  private stream: AbortController | null = null;
  private lingering: ReturnType<typeof setTimeout> | undefined;
  private readonly onVisibilityChange = () => this.connectWhileVisible();

  constructor(
    readonly transport: Transport,
    private readonly document: Pick<
      Document,
      'visibilityState' | 'addEventListener' | 'removeEventListener'
    >,
    private readonly linger = LINGER
  ) {}

  /** Call `listener` now and after each change. Returns the function that unsubscribes it. */
  subscribe(listener: Listener): () => void {
    clearTimeout(this.lingering);
    this.listeners.add(listener);
    this.document.addEventListener('visibilitychange', this.onVisibilityChange);
    this.connectWhileVisible();
    listener(this.state, this.connection, this.reason);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.lingering = setTimeout(() => this.close(), this.linger);
      }
    };
  }

  /** Call `listener` with each event, while somebody is subscribed to the state. */
  onEvent(listener: (event: PowerEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  /** Resolve with the id of the server process, or null if the server cannot be reached. */
  instance(): Promise<string | null> {
    return new Promise(resolve => {
      const unsubscribe = this.subscribe((state, connection) => {
        if (connection !== 'connecting') {
          resolve(connection === 'connected' ? state.instance : null);
          queueMicrotask(() => unsubscribe());
        }
      });
    });
  }

  private close(): void {
    this.document.removeEventListener('visibilitychange', this.onVisibilityChange);
    this.disconnect();
  }

  /**
   * Keep the stream open while the page is visible.
   *
   * Browsers open about six connections per server over HTTP/1.1, so six hidden tabs would block
   * all other requests. When a tab becomes visible again, the snapshot at the start of the stream
   * brings it up to date.
   */
  private connectWhileVisible(): void {
    if (this.document.visibilityState !== 'visible') {
      this.disconnect();
    } else if (this.stream === null) {
      this.stream = new AbortController();
      const { signal } = this.stream;
      const fail = (connection: ConnectionStatus, reason?: string) => {
        if (!signal.aborted) {
          this.publish(this.state, connection, reason);
        }
      };
      this.transport
        .follow(
          event => {
            this.publish(reduce(this.state, event), 'connected');
            this.eventListeners.forEach(listener => listener(event));
          },
          () => fail('lost'),
          signal
        )
        .catch((error: unknown) => fail('refused', messageOf(error)));
    }
  }

  private disconnect(): void {
    this.stream?.abort();
    this.stream = null;
    this.connection = 'connecting';
    this.reason = '';
  }

  private publish(state: State, connection: ConnectionStatus, reason = ''): void {
    this.state = state;
    this.connection = connection;
    this.reason = reason;
    for (const listener of this.listeners) {
      listener(state, connection, reason);
    }
  }
}

/**
 * Return the store that all bundles of a page share, created by `make` on first use.
 *
 * The panel and the widgets are separate bundles. A stream for each of them would use up the
 * browser's connections to the server.
 */
export function sharedStore(make: () => Store): Store {
  const page = globalThis as { a3sPowerStore?: Store };
  return (page.a3sPowerStore ??= make());
}
