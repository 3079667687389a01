/** Find the pulls that end while a page is open. */

import type { Pull } from '../../api/types.js';
import type { State } from '../../state/state.js';
import { attemptOf } from './pulls.js';

export class EndedPulls {
  /** The attempts that had ended; null before the first snapshot of the server. */
  private known: Set<string> | null = null;

  /** Return the pulls that are done or have failed, and had not at the last call. */
  update({ instance, pulls }: State): Pull[] {
    if (instance === null) {
      return [];
    }
    const ended = [...pulls.values()].filter(({ status }) => ['done', 'failed'].includes(status));
    const known = this.known;
    this.known = new Set([...(known ?? []), ...ended.map(attemptOf)]);
    return known === null ? [] : ended.filter(pull => !known.has(attemptOf(pull)));
  }
}
