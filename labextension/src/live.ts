/** The state of a server, kept up to date for all that show it, by one connection. */

import { NOTHING, reduce, type PowerEvent, type State } from './state.js';
import type { Transport } from './transport.js';

/** `lost`: what was known may no longer be true, and it is tried again. */
export type Standing = 'connecting' | 'connected' | 'lost';

export type Listener = (state: State, standing: Standing) => void;

/** Milliseconds that a connection outlives its last listener: the next one may be about to come. */
const LINGER = 2_000;

export class Live {
  private readonly listeners = new Set<Listener>();
  private state: State = NOTHING;
  private standing: Standing = 'connecting';
  private following: AbortController | null = null;
  private leaving: ReturnType<typeof setTimeout> | undefined;
  private readonly update = () => this.followWhileLookedAt();

  constructor(
    readonly transport: Transport,
    private readonly document: Pick<
      Document,
      'visibilityState' | 'addEventListener' | 'removeEventListener'
    >,
    private readonly linger = LINGER
  ) {}

  /** Call `listener` now and with each change; what is returned ends that. */
  subscribe(listener: Listener): () => void {
    clearTimeout(this.leaving);
    this.listeners.add(listener);
    this.document.addEventListener('visibilitychange', this.update);
    this.followWhileLookedAt();
    listener(this.state, this.standing);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.leaving = setTimeout(() => this.leave(), this.linger);
      }
    };
  }

  /** Which run of which server this is, once it answers; null if it does not. */
  instance(): Promise<string | null> {
    return new Promise(resolve => {
      const unsubscribe = this.subscribe((state, standing) => {
        if (standing !== 'connecting') {
          resolve(standing === 'connected' ? state.instance : null);
          queueMicrotask(() => unsubscribe());
        }
      });
    });
  }

  private leave(): void {
    this.document.removeEventListener('visibilitychange', this.update);
    this.stop();
  }

  /**
   * A hidden tab holds no connection: a browser opens about six to one server over HTTP/1.1, and
   * that many tabs would leave none for anything else. The snapshot at the start of a stream
   * brings a tab that is looked at again up to date.
   */
  private followWhileLookedAt(): void {
    if (this.document.visibilityState !== 'visible') {
      this.stop();
    } else if (this.following === null) {
      const { signal } = (this.following = new AbortController());
      const lost = () => {
        if (!signal.aborted) {
          this.tell(this.state, 'lost');
        }
      };
      void this.transport.follow(event => this.take(event), lost, signal).then(lost);
    }
  }

  private stop(): void {
    this.following?.abort();
    this.following = null;
    this.standing = 'connecting';
  }

  private take(event: PowerEvent): void {
    this.tell(reduce(this.state, event), 'connected');
  }

  private tell(state: State, standing: Standing): void {
    this.state = state;
    this.standing = standing;
    for (const listener of this.listeners) {
      listener(state, standing);
    }
  }
}

const SHARED = Symbol.for('a3s-power-jupyter.live');

/**
 * The one `Live` of a page for its own server. The panel is one program and each widget another,
 * and a browser opens about six connections to a server: six streams would leave none.
 */
export function shared(make: () => Live): Live {
  const page = globalThis as { [SHARED]?: Live };
  return (page[SHARED] ??= make());
}
