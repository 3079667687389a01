/** Format sizes, counts, percentages and durations, like `display/formatting.py` in Python. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Format bytes in powers of 1000, as `%power` does: "98.1 MB", "1.2 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would round to four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}

/** Format a number of parameters: "135 M", "7.6 B"; empty if unknown. */
export function formatCount(count: number | undefined): string {
  if (!count) {
    return '';
  }
  const power = Math.min(4, Math.floor(Math.log10(count) / 3 + 1e-9));
  const value = count / 1000 ** power;
  const digits = power === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${['', 'k', 'M', 'B', 'T'][power] ?? ''}`.trim();
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
