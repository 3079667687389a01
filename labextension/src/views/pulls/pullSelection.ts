/** Choose the pulls that a list shows. */

import type { Pull } from '../../api/types.js';
import type { State } from '../../state/state.js';
import { attemptOf } from './pulls.js';
import { isRefused } from './startPull.js';

export class PullSelection {
  /** Names that were shown while their pull was unfinished. */
  private readonly seen = new Set<string>();
  private readonly dismissed = new Set<string>();
  /** Replies to requests, of models that are already here, or of pulls that are not known yet. */
  private readonly replies = new Map<string, Pull>();

  /** Show the reply to a request for a pull. */
  add(pull: Pull): void {
    this.dismissed.delete(attemptOf(pull));
    this.replies.set(pull.name, pull);
    if (!pull.already_exists) {
      this.seen.add(pull.name);
    }
  }

  dismiss(attempt: string): void {
    this.dismissed.add(attempt);
    for (const [name, pull] of this.replies) {
      if (attemptOf(pull) === attempt) {
        this.replies.delete(name);
      }
    }
  }

  /** Return the pulls to show: unfinished ones, and those that were shown before they ended; oldest first. */
  of({ pulls, models }: State): Pull[] {
    const shown = new Map<string, Pull>();
    for (const pull of [...pulls.values()].sort(byStart)) {
      const isOpen = ['pulling', 'paused', 'failed'].includes(pull.status);
      if ((isOpen || this.seen.has(pull.name)) && !this.isHidden(pull)) {
        shown.set(pull.name, pull);
        this.seen.add(pull.name);
      }
    }
    for (const [name, reply] of this.replies) {
      const { started_at: started = 0 } = pulls.get(name) ?? {};
      const isOld = reply.already_exists
        ? !models.has(name) || shown.get(name)?.status === 'pulling'
        : started >= (reply.started_at ?? 0);
      if (isOld) {
        this.replies.delete(name);
      } else {
        shown.set(name, reply);
      }
    }
    return [...shown.values()];
  }

  private isHidden(pull: Pull): boolean {
    return this.dismissed.has(attemptOf(pull)) || (pull.status === 'failed' && isRefused(pull));
  }
}

function byStart(a: Pull, b: Pull): number {
  return (a.started_at ?? 0) - (b.started_at ?? 0) || a.name.localeCompare(b.name);
}
