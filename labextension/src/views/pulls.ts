/** The text of pulls, and what can be done with them. */

import type { Pull, PulledFile } from '../api/types.js';
import { formatBytes, formatDuration } from './format.js';

/** Return the progress from 0 to 1; null if the size is unknown or the pull was cancelled. */
export function fraction(pull: Pull): number | null {
  if (pull.status === 'done') {
    return 1;
  }
  if (pull.status === 'cancelled') {
    return null;
  }
  return pull.total ? Math.min(1, (pull.completed ?? 0) / pull.total) : null;
}

/** Return the phase of a running pull, or the status of any other: "downloading", "paused". */
export function statusText(pull: Pull): string {
  return pull.status === 'pulling' ? (pull.phase ?? 'resolving') : pull.status;
}

/** Return the size, rate and time left: "49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left". */
export function progressText(pull: Pull): string {
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

/** Return the progress of one file, "model.safetensors: 12.0 MB of 269 MB". */
export function fileProgressText({ name, size, completed }: PulledFile): string {
  const part = completed < size ? `${formatBytes(completed)} of ` : '';
  return `${name}: ${part}${formatBytes(size)}`;
}

export type PullAction = 'start' | 'pause' | 'resume' | 'cancel';

/** Return the actions that a pull allows; undefined is a pull unknown to the server. */
export function availableActions(pull: Pull | undefined): PullAction[] {
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
