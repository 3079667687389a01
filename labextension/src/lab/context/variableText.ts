/** Variables of a kernel as text. */

import type { Attachment } from '../../views/chat/attachment.js';
import { trans } from '../../views/i18n.js';
import { chooseForms, estimateTokens, joinCuts, type Piece } from './cutting.js';

export interface Variable {
  readonly name: string;
  readonly type: string;
  /** Such as "3 items" or "10 rows x 2 columns"; '' if it is not known. */
  readonly size: string;
  /** The head of the value, in several lines for a table; '' if it is not known. */
  readonly text: string;
}

export interface Listing {
  readonly variables: readonly Variable[];
  /** Names that were left out because they may be secrets. */
  readonly secrets: readonly string[];
  /** How many variables are not listed. */
  readonly more: number;
}

/** Names that a sentence has in full. */
const MAX_NAMES = 5;

/** Rows of a table: with its head, with one row, and none. */
const ROWS = [Infinity, 2, 0];

/** Return what a kernel has answered. Rejects an answer of another form. */
export function listingFrom(value: unknown): Listing {
  const { variables, secrets, more } = (value ?? {}) as Partial<Record<keyof Listing, unknown>>;
  if (!Array.isArray(variables) || !Array.isArray(secrets)) {
    throw new Error(trans.__('The kernel could not list its variables.'));
  }
  return {
    variables: variables.map((variable: Partial<Variable> | null) => ({
      name: String(variable?.name),
      type: String(variable?.type),
      size: variable?.size ?? '',
      text: variable?.text ?? ''
    })),
    secrets: secrets.map(String),
    more: typeof more === 'number' ? more : 0
  };
}

/** Return a variable without its value: `df: pandas.DataFrame, 10 rows x 2 columns`. */
export function variableLine({ name, type, size }: Variable): string {
  return size === '' ? `${name}: ${type}` : `${name}: ${type}, ${size}`;
}

/** Return a variable with at most `rows` lines of its value. */
function variableText(variable: Variable, rows: number): string {
  const line = variableLine(variable);
  const lines = variable.text.split('\n');
  if (variable.text === '' || rows === 0) {
    return line;
  }
  if (lines.length === 1) {
    return `${line} = ${variable.text}`;
  }
  const more = lines.length > rows ? ['...'] : [];
  return [line, ...lines.slice(0, rows), ...more].join('\n');
}

/**
 * Return variables in at most about `tokens` tokens.
 *
 * Rows of tables are left out first, then values, then variables, always the last ones first.
 */
export function variablesText(variables: readonly Variable[], tokens: number): Piece {
  const forms = variables.map(variable => ROWS.map(rows => variableText(variable, rows)));
  const costs = forms.map(texts => texts.map(text => estimateTokens(text) + 1));
  const lastFirst = [...variables.keys()].reverse();
  const steps = [1, 2, ROWS.length].flatMap(form => lastFirst.map(part => [part, form] as const));
  const chosen = chooseForms(costs, steps, tokens);
  const text = chosen.flatMap((form, index) => forms[index]?.[form] ?? []).join('\n');
  return { text, cut: cutText(variables, chosen, forms) };
}

function cutText(
  variables: readonly Variable[],
  chosen: readonly number[],
  forms: readonly (readonly string[])[]
): string {
  const shortened = chosen.filter(
    (form, index) => form > 0 && form < ROWS.length && forms[index]?.[form] !== forms[index]?.[0]
  ).length;
  const missing = variables.filter((_, index) => chosen[index] === ROWS.length);
  return joinCuts(
    shortened === 0
      ? ''
      : trans._n('A value was shortened.', '%1 values were shortened.', shortened),
    missing.length === 0
      ? ''
      : trans.__('There was no room for %1.', names(missing.map(({ name }) => name)))
  );
}

/** Return the chip of all variables. Those that the active cell uses come first, and go last. */
export function variablesAttachment(listing: Listing, code: string, tokens: number): Attachment {
  const words = new Set(code.match(/[\p{L}\p{N}_]+/gu));
  const isUsed = ({ name }: Variable) => words.has(name);
  const { variables, secrets, more } = listing;
  const sorted = [...variables.filter(isUsed), ...variables.filter(variable => !isUsed(variable))];
  const { text, cut } = variablesText(sorted, tokens);
  const title =
    variables.length === 1
      ? (variables[0]?.name ?? '')
      : trans.__('Variables (%1)', variables.length);
  const hidden =
    secrets.length === 0
      ? ''
      : trans.__('Not sent, because they may be secrets: %1.', names(secrets));
  const unlisted =
    more === 0 ? '' : trans._n('%1 more was left out.', '%1 more were left out.', more);
  return { kind: 'variable', title, text, language: '', cut: joinCuts(cut, unlisted, hidden) };
}

/** Return names as a list, without the last ones if there are many. */
function names(all: readonly string[]): string {
  const more = all.length - MAX_NAMES;
  const listed = all.slice(0, more > 1 ? MAX_NAMES : all.length).join(', ');
  return more > 1 ? trans.__('%1 and %2 more', listed, more) : listed;
}
