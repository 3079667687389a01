/**
 * Describe the status of a pull as text.
 *
 * `a3s_power_jupyter/display/pull_progress.py` has the same functions for magics and saved
 * notebooks; both are tested with `tests/support/pull_display_cases.json`.
 */

import type { Pull, PulledFile } from '../../api/types.js';
import { formatBytes, formatDuration, formatPercent } from '../format.js';

/** Return the progress from 0 to 1; null if the size is unknown or the pull was cancelled. */
export function fraction(pull: Pull): number | null {
  if (pull.status === 'done') {
    return 1;
  }
  if (pull.status === 'cancelled' || !pull.total) {
    return null;
  }
  return Math.min(1, (pull.completed ?? 0) / pull.total);
}

/** Return the phase of a running pull, or the status of any other: "downloading", "paused", ... */
export function label(pull: Pull): string {
  if (pull.already_exists) {
    return 'already here';
  }
  return pull.status === 'pulling' ? (pull.phase ?? 'resolving') : pull.status;
}

/** Return the size, rate and time left: "49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left". */
export function facts(pull: Pull): string {
  const parts = [];
  if (pull.total && pull.status !== 'cancelled') {
    const total = formatBytes(pull.total);
    parts.push(pull.status === 'done' ? total : `${formatBytes(pull.completed ?? 0)} of ${total}`);
  }
  if (pull.status === 'pulling' && pull.bytes_per_second !== undefined) {
    const rate = pull.bytes_per_second;
    parts.push(rate > 0 ? `${formatBytes(rate)}/s` : 'stalled');
  }
  if (pull.status === 'pulling' && pull.eta_seconds !== undefined) {
    parts.push(`${formatDuration(pull.eta_seconds)} left`);
  }
  return parts.join(', ');
}

/** Return the sentence about the pull, if it still applies; empty if there is none. */
export function note(pull: Pull): string {
  return pull.status === 'failed' || pull.status === 'cancelled' ? '' : (pull.note ?? '');
}

/** Return label, percentage and facts: "downloading 50%, 49.2 MB of 98.4 MB, 12.0 MB/s". */
export function summary(pull: Pull): string {
  const progress = fraction(pull);
  const percent = progress === null || pull.status === 'done' ? '' : ` ${formatPercent(progress)}`;
  return [label(pull) + percent, facts(pull)].filter(Boolean).join(', ');
}

/** Return the progress of a file, "a.gguf: 12.0 MB of 269 MB", or the size of a complete one. */
export function fileFacts({ name, size, completed }: PulledFile): string {
  const part = completed < size ? `${formatBytes(completed)} of ` : '';
  return `${name}: ${part}${formatBytes(size)}`;
}

export type PullAction = 'start' | 'pause' | 'resume' | 'cancel';

/** Return the possible actions for a pull; undefined if the server does not know it. */
export function actions(pull: Pull | undefined): PullAction[] {
  switch (pull?.status) {
    case 'pulling':
      return ['pause', 'cancel'];
    case 'paused':
    case 'failed':
      return ['resume', 'cancel'];
    case 'done':
      return [];
    default:
      return ['start'];
  }
}
