/** Request a pull, and wait until it has begun. */

import { errorInBody, RequestError, type Transport } from '../../api/transport.js';
import type { Pull } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { attemptOf, hasBegun } from './pulls.js';

/** The attempts that failed before they began. The one who asked for them shows the error. */
const refused = new Set<string>();

/** Whether the error of a pull is shown where the pull was asked for. */
export function isRefused(pull: Pull): boolean {
  return refused.has(attemptOf(pull));
}

/** Start a pull, or resume one, and return its status. Rejects with a `RequestError`. */
export async function requestPull(transport: Transport, name: string): Promise<Pull> {
  return (await transport.request('POST', 'models/pull', { name, background: true })) as Pull;
}

/**
 * Start a pull, and return its status once its files are known or it waits for another pull.
 *
 * Rejects with a `RequestError` if the server does not accept the reference, or finds no model.
 */
export async function startPull(store: Store, name: string): Promise<Pull> {
  const requested = await requestPull(store.transport, name);
  if (hasBegun(requested)) {
    return requested;
  }
  const attempt = attemptOf(requested);
  refused.add(attempt);
  const pull = await firstOf(store, requested, attempt);
  if (pull.status !== 'failed') {
    refused.delete(attempt);
    return pull;
  }
  throw errorInBody(pull) ?? new RequestError('');
}

/** Resolve with the first status of an attempt that has begun, or the last one that is known. */
function firstOf(store: Store, requested: Pull, attempt: string): Promise<Pull> {
  return new Promise(resolve => {
    let last = requested;
    const unsubscribe = store.subscribe(({ pulls }, connection) => {
      const pull = pulls.get(requested.name);
      if (pull !== undefined && attemptOf(pull) === attempt) {
        last = pull;
      }
      if (hasBegun(last) || ['lost', 'refused'].includes(connection)) {
        resolve(last);
        queueMicrotask(() => unsubscribe());
      }
    });
  });
}
