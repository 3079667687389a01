/** The line under an answer with its tokens and its speed, like `display/answer_line.py`. */

import { formatNumber, formatRate, formatSeconds } from '../format.js';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
}

/** Measurements of the engine, of its last chunk if the answer was stopped. */
export interface Timings {
  readonly prompt_n: number;
  readonly predicted_n: number;
  readonly predicted_ms: number;
  readonly cache_n: number;
}

/** What is known about an answer. The times are in seconds since the request. */
export interface Answer {
  readonly usage: Usage | null;
  readonly timings: Timings | null;
  readonly firstTokenSeconds: number | null;
  readonly seconds: number | null;
}

/** Engines need more time than this for their tokens. */
const MIN_MILLISECONDS = 0.001;

/** Return `value` if it has the fields of `Usage`, which the upstream of a remote model may not. */
export function usageFrom(value: unknown): Usage | null {
  const usage = value as Usage | null | undefined;
  return usage && areCounts(usage.prompt_tokens, usage.completion_tokens) ? usage : null;
}

/** Return `value` if it has the fields of `Timings`, as `usageFrom`. */
export function timingsFrom(value: unknown): Timings | null {
  const timings = value as Timings | null | undefined;
  const { prompt_n, predicted_n, predicted_ms, cache_n } = timings ?? {};
  return timings && areCounts(prompt_n, predicted_n, predicted_ms, cache_n) ? timings : null;
}

/** Return `value` as the measurements that a message keeps; null if it has none. */
export function measurementsOf(value: unknown): Answer | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const { usage, timings, firstTokenSeconds, seconds } = value as Record<string, unknown>;
  return {
    usage: usageFrom(usage),
    timings: timingsFrom(timings),
    firstTokenSeconds: areCounts(firstTokenSeconds) ? (firstTokenSeconds as number) : null,
    seconds: areCounts(seconds) ? (seconds as number) : null
  };
}

/** Whether all values are numbers that are not negative. */
export function areCounts(...values: unknown[]): boolean {
  return values.every(value => typeof value === 'number' && value >= 0);
}

/**
 * Return "96 tokens · 45 tokens/s · 0.2 s to first token · 1,712 of 1,750 prompt tokens cached".
 *
 * What is not known is omitted. Without token counts, the line is empty.
 */
export function answerLine(answer: Answer): string {
  const counts = countsOf(answer);
  if (counts === null) {
    return '';
  }
  const { firstTokenSeconds } = answer;
  const first =
    firstTokenSeconds === null ? [] : [`${formatSeconds(firstTokenSeconds)} to first token`];
  return [speedLine(answer), ...first, promptText(counts)].join(' · ');
}

/** Return the tokens and the speed of an answer: "96 tokens · 45 tokens/s". */
export function speedLine(answer: Answer): string {
  const counts = countsOf(answer);
  if (counts === null) {
    return '';
  }
  const { timings, seconds } = answer;
  const tokens = countOf(counts.completion_tokens, 'token');
  const rate = timings && tokensPerSecond(timings);
  if (rate !== null) {
    return `${tokens} · ${formatRate(rate)}`;
  }
  const isTimed = timings === null && seconds !== null;
  return isTimed ? `${tokens} in ${formatSeconds(seconds)}` : tokens;
}

/** Return the tokens of an answer and its prompt; null if they are not known. */
export function countsOf({ usage, timings }: Answer): Usage | null {
  return usage ?? (timings && usageOf(timings));
}

/** Return the tokens of the context that are in use. */
export function tokensOf({ prompt_n, predicted_n, cache_n }: Timings): number {
  return prompt_n + cache_n + predicted_n;
}

function usageOf({ prompt_n, predicted_n, cache_n }: Timings): Usage {
  return {
    prompt_tokens: prompt_n + cache_n,
    completion_tokens: predicted_n,
    prompt_tokens_details: { cached_tokens: cache_n }
  };
}

/** Return the speed, which a single token does not have. */
function tokensPerSecond({ predicted_n, predicted_ms }: Timings): number | null {
  return predicted_n > 1 && predicted_ms >= MIN_MILLISECONDS
    ? (predicted_n / predicted_ms) * 1000
    : null;
}

function promptText(usage: Usage): string {
  const all = countOf(usage.prompt_tokens, 'prompt token');
  const cached = usage.prompt_tokens_details?.cached_tokens;
  return cached ? `${formatNumber(cached)} of ${all} cached` : all;
}

function countOf(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Return how much of a prompt the model has read. */
export function readingText(processed: number, total: number): string {
  return `Reading the prompt: ${formatNumber(processed)} of ${formatNumber(total)} tokens`;
}

/** Leave out the times since the request. */
export function withoutTimes(answer: Answer): Answer {
  return { ...answer, firstTokenSeconds: null, seconds: null };
}
