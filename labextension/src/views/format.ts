/** Format sizes, counts, percentages and durations, like `display/formatting.py` in Python. */

/** Format bytes in powers of 1000, as `%power` does: "98.1 MB", "1.2 GB". */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ['B', 'kB', 'MB', 'GB', 'TB']);
}

/** Format a number of parameters: "135 M", "7.6 B"; empty if unknown. */
export function formatCount(count: number | undefined): string {
  return count ? scaled(count, ['', 'k', 'M', 'B', 'T']) : '';
}

function scaled(count: number, units: readonly string[]): string {
  let value = count;
  let unit = 0;
  // 999.5 would round to four digits.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`.trim();
}

/** Format a number of tokens briefly: "980", "1.7k", "131k". */
export function formatTokens(count: number): string {
  return scaled(count, ['', 'k', 'M']).replace(' ', '');
}

/** Format a whole number with separators: "1,712". */
export function formatNumber(count: number): string {
  return count.toLocaleString('en-US');
}

/** Format tokens per second: "45 tokens/s", "4.3 tokens/s". */
export function formatRate(rate: number): string {
  return `${formatSmall(rate) ?? formatNumber(Math.round(rate))} tokens/s`;
}

/** Format a short time with one decimal, and a longer one as a duration: "0.2 s", "12 s". */
export function formatSeconds(seconds: number): string {
  const small = formatSmall(seconds);
  return small === undefined ? formatDuration(seconds) : `${small} s`;
}

/** Format a number below 10 with one decimal. */
function formatSmall(value: number): string | undefined {
  const tenths = Math.round(value * 10);
  if (tenths < 1) {
    return '<0.1';
  }
  return tenths < 100 ? (tenths / 10).toFixed(1) : undefined;
}

/** Format a number from 0 to 1 as a percentage, rounded down: 0.425 is "42%". */
export function formatPercent(fraction: number): string {
  return `${Math.floor(fraction * 100)}%`;
}

const DURATIONS = [
  { unit: 's', length: 1, limit: 60 },
  { unit: 'min', length: 60, limit: 60 },
  { unit: 'h', length: 3600, limit: 24 }
];

/** Format seconds in the largest unit, rounded: "45 s", "4 min", "2 h", "3 d". */
export function formatDuration(seconds: number): string {
  for (const { unit, length, limit } of DURATIONS) {
    const rounded = Math.round(Math.max(0, seconds) / length);
    if (rounded < limit) {
      return `${rounded} ${unit}`;
    }
  }
  return `${Math.round(seconds / 86400)} d`;
}
