/** Texts about models that can be added. */

import type { Fit, HubModel, LocalModel, Variant } from '../../api/types.js';
import { formatBytes, formatCount, formatDuration, formatNumber, formatTokens } from '../format.js';
import { trans } from '../i18n.js';
import type { IconName } from '../icons.js';

/** Return what is known about a model of the hub at `now`: "1.2M downloads", "mit", ... */
export function hubFacts(model: HubModel, now: number): string[] {
  const { downloads, likes, parameter_count: parameters, license, updated_at: updated } = model;
  const facts = [
    trans._n('%2 download', '%2 downloads', downloads, formatTokens(downloads)),
    trans._n('%2 like', '%2 likes', likes, formatTokens(likes))
  ];
  if (parameters) {
    facts.push(trans.__('%1 parameters', formatCount(parameters)));
  }
  if (license) {
    facts.push(license);
  }
  if (updated !== undefined) {
    facts.push(trans.__('updated %1 ago', ageText(now - updated)));
  }
  return facts;
}

const DAY = 86_400;

/** Return an age: "3 h", "12 d", "5 months", "2 years". */
function ageText(seconds: number): string {
  const months = Math.round(seconds / DAY / 30.4);
  if (months < 2) {
    return formatDuration(seconds);
  }
  const years = Math.round(months / 12);
  return months < 24
    ? trans._n('%1 month', '%1 months', months)
    : trans._n('%1 year', '%1 years', years);
}

/** Return the size of a variant: "4.7 GB" or "9.1 GB in 2 files". */
export function sizeText({ size_bytes: size, file_count: count }: Variant): string {
  const bytes = formatBytes(size);
  return count > 1 ? trans._n('%2 in %1 file', '%2 in %1 files', count, bytes) : bytes;
}

/** Return the memory that a variant would use: "5.1 GB of memory"; empty if unknown. */
export function memoryText({ memory_bytes: bytes }: Variant): string {
  return bytes == null ? '' : trans.__('%1 of memory', formatBytes(bytes));
}

/** Return how a model would run on this machine, with the icon for it. */
export function fitMark(fit: Fit): { readonly text: string; readonly icon: IconName } {
  switch (fit) {
    case 'gpu':
      return { text: trans.__('Fits on the GPU'), icon: 'bolt' };
    case 'memory':
      return { text: trans.__('Fits in memory'), icon: 'check' };
    case 'too_large':
      return { text: trans.__('Too large'), icon: 'error' };
    default:
      return { text: trans.__('Unknown whether it fits'), icon: 'help' };
  }
}

/** Return the text for a context window: "4,096 tokens". */
export function contextText(tokens: number): string {
  return trans.__('%1 tokens', formatNumber(tokens));
}

const SOURCES: Readonly<Record<string, string>> = {
  huggingface: 'Hugging Face',
  lmstudio: 'LM Studio',
  ollama: 'Ollama'
};

/** Return what is known about a model on this machine: "LM Studio", "gguf", "1.2 GB". */
export function localFacts({ source, format, size_bytes: size }: LocalModel): string[] {
  return [SOURCES[source] ?? source, format, formatBytes(size)];
}

/** The variant to offer first: the recommended one, or the first. */
export function firstVariant(variants: readonly Variant[]): Variant | undefined {
  return variants.find(variant => variant.recommended) ?? variants[0];
}

const REFERENCE =
  /^(?:(?:https?:\/\/)?(?:hf\.co|huggingface\.co)\/)?[\w.-]+\/[\w.-]+(?:[:/@][\w./:@+-]+)?$/;

/** Return the reference of a model that a text is: "owner/name", with a tag or as an address. */
export function referenceIn(text: string): string | null {
  const trimmed = text.trim();
  return REFERENCE.test(trimmed) ? trimmed : null;
}

/** Return a name that is not taken: `name`, or with a number behind it. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  let free = name;
  for (let n = 2; isTaken(free); n += 1) {
    free = `${name}-${n}`;
  }
  return free;
}

/** Return the name that a file or folder suggests for its model: "models/a.gguf" is "a". */
export function nameOfPath(path: string): string {
  const last = path.split(/[/\\]/).filter(Boolean).pop() ?? path;
  return last.replace(/\.gguf$/i, '');
}
