/** What a model is doing, like `display/activity.py`. */

import type { Model } from '../api/types.js';
import { formatBytes, formatNumber, formatRate, formatTokens } from './format.js';
import { trans } from './i18n.js';

/** Return the requests of a model: "2 running, 1 waiting"; empty if it has none. */
export function requestsText({ requests_running, requests_waiting }: Model): string {
  const parts = [];
  if (requests_running) {
    parts.push(trans.__('%1 running', requests_running));
  }
  if (requests_waiting) {
    parts.push(trans.__('%1 waiting', requests_waiting));
  }
  return parts.join(', ');
}

/** Return the speed of a busy model: "45 tokens/s". */
export function speedText({ state, tokens_per_second: rate }: Model): string {
  return state === 'busy' && rate !== undefined ? formatRate(rate) : '';
}

/** Return the part of its cache that a busy model uses: "1.7k of 8.2k". */
export function cacheText(model: Model): string {
  const { cache_tokens: used = 0, cache_capacity: capacity = 0 } = model;
  return cacheShare(model) === null
    ? ''
    : trans.__('%1 of %2', formatTokens(used), formatTokens(capacity));
}

/** Return the part of its cache that a busy model uses, from 0 to 1; null if unknown. */
export function cacheShare({ state, cache_tokens: used, cache_capacity }: Model): number | null {
  if (state !== 'busy' || used === undefined || !cache_capacity) {
    return null;
  }
  return Math.min(1, used / cache_capacity);
}

/** Return the exact use of the cache, as far as known: "1,712 of 8,192 tokens in use". */
export function cacheDetails({ cache_tokens: used, cache_capacity: capacity }: Model): string {
  if (used === undefined) {
    return '';
  }
  return capacity
    ? trans.__('%1 of %2 tokens in use', formatNumber(used), formatNumber(capacity))
    : trans.__('%1 tokens in use', formatNumber(used));
}

/** Return the memory of conversations that are kept outside the cache. */
export function warmText({ prompt_cache_bytes: bytes }: Model): string {
  return bytes ? trans.__('%1 for warm conversations', formatBytes(bytes)) : '';
}
