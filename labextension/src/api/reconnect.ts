/** Reconnection with exponential backoff. */

import { RequestError } from './transport.js';

const MAX_DELAY = 30_000;

/**
 * Call `connect` again whenever it ends, until `signal` is aborted.
 *
 * `onLost` is called whenever a connection ends. The first retry waits `delay` milliseconds, and
 * the delay doubles with each further retry, up to 30 s. `connect` calls `onReceived` to reset it.
 * Rejects with the error of `connect` if it is final.
 */
export async function reconnect(
  connect: (onReceived: () => void) => Promise<void>,
  onLost: () => void,
  signal: AbortSignal,
  delay = 1_000
): Promise<void> {
  let wait = delay;
  const onReceived = () => {
    wait = delay;
  };
  for (;;) {
    try {
      await connect(onReceived);
    } catch (error) {
      if (!signal.aborted) {
        if (error instanceof RequestError && error.isFinal) {
          throw error;
        }
        console.warn('a3s-power: lost the connection to the event stream.', error);
      }
    }
    if (signal.aborted) {
      return;
    }
    onLost();
    if (!(await sleep(wait, signal))) {
      return;
    }
    wait = Math.min(2 * wait, MAX_DELAY);
  }
}

/** Wait for `milliseconds`. Resolves with false as soon as `signal` is aborted. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(finish, signal.aborted ? 0 : milliseconds);
    signal.addEventListener('abort', finish);
  });
}
