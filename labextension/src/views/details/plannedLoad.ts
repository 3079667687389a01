/** The load of which the options are being chosen. The memory bar shows what it would take. */

import type { Estimate } from '../../api/types.js';
import type { Store } from '../../state/store.js';

type Listener = (estimate: Estimate | null) => void;

export class PlannedLoad {
  private readonly listeners = new Set<Listener>();
  private owner: object | null = null;
  private estimate: Estimate | null = null;

  /** Call `listener` now and after each change. Returns the function that unsubscribes it. */
  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    listener(this.estimate);
    return () => this.listeners.delete(listener);
  }

  /** Show the estimate of a form, in place of another form's. */
  set(owner: object, estimate: Estimate): void {
    this.owner = owner;
    this.publish(estimate);
  }

  /** Forget the estimate of a form, unless another form has replaced it. */
  clear(owner: object): void {
    if (this.owner === owner) {
      this.owner = null;
      this.publish(null);
    }
  }

  private publish(estimate: Estimate | null): void {
    this.estimate = estimate;
    this.listeners.forEach(listener => listener(estimate));
  }
}

const planned = new WeakMap<Store, PlannedLoad>();

/** Return the planned load of the server of a store. */
export function plannedLoad(store: Store): PlannedLoad {
  let found = planned.get(store);
  if (found === undefined) {
    found = new PlannedLoad();
    planned.set(store, found);
  }
  return found;
}
