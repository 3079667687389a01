/**
 * Describe the status of a pull as text, and say what can be done with it.
 *
 * `a3s_power_jupyter/display/pull_progress.py` has the same texts for magics and saved notebooks;
 * both are tested with `tests/support/pull_display_cases.json`.
 */

import type { Pull, PulledFile } from '../../api/types.js';
import { formatBytes, formatDuration, formatPercent } from '../format.js';
import { trans } from '../i18n.js';

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
    return trans.__('already here');
  }
  switch (pull.status === 'pulling' ? (pull.phase ?? 'resolving') : pull.status) {
    case 'waiting':
      return trans.__('waiting');
    case 'resolving':
      return trans.__('resolving');
    case 'downloading':
      return trans.__('downloading');
    case 'verifying':
      return trans.__('verifying');
    case 'done':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'paused':
      return trans.__('paused');
    case 'cancelled':
      return trans.__('cancelled');
  }
}

/** Return the percentage while there is more to come: "42%". */
export function percentText(pull: Pull): string {
  const progress = fraction(pull);
  return progress === null || pull.status === 'done' ? '' : formatPercent(progress);
}

/** Return how much is on disk: "49.2 MB of 98.4 MB". */
export function sizeText(pull: Pull): string {
  if (!pull.total || pull.status === 'cancelled') {
    return '';
  }
  const total = formatBytes(pull.total);
  return pull.status === 'done'
    ? total
    : trans.__('%1 of %2', formatBytes(pull.completed ?? 0), total);
}

/** Return the rate of a running pull, "12.0 MB/s", or "stalled" after seconds without a byte. */
export function rateText(pull: Pull): string {
  const rate = pull.bytes_per_second;
  if (pull.status !== 'pulling' || rate === undefined) {
    return '';
  }
  return rate > 0 ? `${formatBytes(rate)}/s` : trans.__('stalled');
}

/** Return the time left of a running pull: "4 s left". */
export function leftText(pull: Pull): string {
  if (pull.status !== 'pulling' || pull.eta_seconds === undefined) {
    return '';
  }
  return trans.__('%1 left', formatDuration(pull.eta_seconds));
}

/** Return the size, rate and time left: "49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left". */
export function facts(pull: Pull): string {
  return [sizeText(pull), rateText(pull), leftText(pull)].filter(Boolean).join(', ');
}

/** Return the sentence about the pull, if it still applies; empty if there is none. */
export function note(pull: Pull): string {
  return pull.status === 'failed' || pull.status === 'cancelled' ? '' : (pull.note ?? '');
}

/** Return label, percentage and facts: "downloading 50%, 49.2 MB of 98.4 MB, 12.0 MB/s". */
export function summary(pull: Pull): string {
  const state = [label(pull), percentText(pull)].filter(Boolean).join(' ');
  return [state, facts(pull)].filter(Boolean).join(', ');
}

/** Return the progress of a file, "a.gguf: 12.0 MB of 269 MB", or the size of a complete one. */
export function fileFacts({ name, size, completed }: PulledFile): string {
  const done =
    completed < size ? trans.__('%1 of %2', formatBytes(completed), formatBytes(size)) : '';
  return `${name}: ${done || formatBytes(size)}`;
}

/** What the first button of a pull does: start it, or pause, resume or repeat it. */
export type MainAction = 'start' | 'pause' | 'resume' | 'retry';

/** Return what the first button does; `pull` is undefined if the server does not know it. */
export function mainAction(pull: Pull | undefined): MainAction | null {
  switch (pull?.status) {
    case 'pulling':
      return 'pause';
    case 'paused':
      return 'resume';
    case 'failed':
      return canRetry(pull) ? 'retry' : null;
    case 'done':
      return null;
    default:
      return 'start';
  }
}

/** What the second button of a pull does: stop it for good, or hide it once it has ended. */
export type LastAction = 'cancel' | 'dismiss';

/** Return what the second button does. */
export function lastAction(pull: Pull | undefined): LastAction | null {
  if (pull === undefined) {
    return null;
  }
  return pull.status === 'pulling' || pull.status === 'paused' ? 'cancel' : 'dismiss';
}

/** Whether a pull that failed may succeed if it is repeated as it is. */
export function canRetry({ status, error }: Pull): boolean {
  // The API sends this type if the request itself is wrong. A repository that the hub does not show
  // without a token is of another type: it may be private, and a token may be stored by now. A
  // damaged file may be replaced on the hub.
  const isWrong = error?.type === 'invalid_request_error' && error.reason !== 'damaged_on_hub';
  return status === 'failed' && !isWrong;
}

/** Return the bytes on disk that are discarded if the pull is cancelled or dismissed. */
export function bytesToLose(pull: Pull): number {
  return pull.status === 'done' || pull.status === 'cancelled' ? 0 : (pull.completed ?? 0);
}

/** Return an id of this attempt to pull a model. The next attempt has another one. */
export function attemptOf({ name, started_at }: Pull): string {
  return `${started_at ?? 0} ${name}`;
}

/** Whether the files of a pull are known, or the pull waits for something that may take long. */
export function hasBegun(pull: Pull): boolean {
  const phase = pull.phase ?? 'resolving';
  return pull.status !== 'pulling' || phase !== 'resolving' || pull.total !== undefined;
}

/** Return a reference without the repository if `name` has the same one: "Q4_K_M". */
export function briefly(reference: string, name: string): string {
  const repository = /^[^/:]+\/[^/:]+/.exec(name)?.[0] ?? '';
  const isSame = reference.length > repository.length + 1 && reference.startsWith(repository);
  return repository !== '' && isSame && '/:'.includes(reference.charAt(repository.length))
    ? reference.slice(repository.length + 1)
    : reference;
}
