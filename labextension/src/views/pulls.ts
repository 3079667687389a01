/** Pulls in words and numbers. */

import { formatBytes, formatDuration } from './format.js';
import type { Pull, PulledFile } from '../api/types.js';

const PHASES = {
  waiting: 'waiting for its turn',
  resolving: 'asking the hub',
  downloading: 'downloading',
  verifying: 'checking'
};

/** 0 to 1; null while the size is not known, and where nothing is kept. */
export function fraction(pull: Pull): number | null {
  if (pull.status === 'done') {
    return 1;
  }
  if (pull.status === 'cancelled') {
    return null;
  }
  return pull.total ? Math.min(1, (pull.completed ?? 0) / pull.total) : null;
}

/** "downloading", "paused", ... */
export function word(pull: Pull): string {
  return pull.status === 'pulling' ? PHASES[pull.phase ?? 'resolving'] : pull.status;
}

/** "49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left" */
export function facts(pull: Pull): string {
  const parts = [];
  if (pull.total && pull.status !== 'cancelled') {
    const whole = formatBytes(pull.total);
    parts.push(pull.status === 'done' ? whole : `${formatBytes(pull.completed ?? 0)} of ${whole}`);
  }
  if (pull.status === 'pulling' && pull.bytes_per_second !== undefined) {
    const rate = pull.bytes_per_second;
    parts.push(rate > 0 ? `${formatBytes(rate)}/s` : 'nothing arrives');
  }
  if (pull.status === 'pulling' && pull.eta_seconds !== undefined) {
    parts.push(`${formatDuration(pull.eta_seconds)} left`);
  }
  return parts.join(', ');
}

/** "model.safetensors: 12.0 MB of 269 MB"; of a file that is whole, only its size. */
export function fileFacts({ name, size, completed }: PulledFile): string {
  const part = completed < size ? `${formatBytes(completed)} of ` : '';
  return `${name}: ${part}${formatBytes(size)}`;
}

export type PullAction = 'start' | 'pause' | 'resume' | 'cancel';

/** What can be done with a pull; undefined is one that the server does not know. */
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
