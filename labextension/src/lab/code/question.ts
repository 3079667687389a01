/** The question to a model, with as much of what belongs to it as fits. */

import { trans } from '../../views/i18n.js';
import { estimateTokens, joinCuts, type Piece } from '../context/cutting.js';
import type { Draft } from './fitting.js';
import {
  fencedPassages,
  messagesOf,
  type Passage,
  type Prompt,
  type PromptValues
} from './prompts.js';

/** Parts of a question that may be shortened. The error has priority. */
export interface Material {
  readonly values: PromptValues;
  /** The error of a cell, in at most about `tokens` tokens. */
  readonly error?: (tokens: number) => Piece;
  /** Code that was run before, the last one at the end. */
  readonly cells?: readonly Passage[];
  /** Code before and after the cursor. */
  readonly before?: string;
  readonly after?: string;
}

/** Return the messages of a prompt with at most about `tokens` tokens of what may be shortened. */
export function compose(prompt: Prompt, material: Material, tokens: number): Draft {
  const { values, cells = [], before = '', after = '' } = material;
  let left = tokens;
  const cuts: string[] = [];
  const take = (piece: Piece) => {
    left = Math.max(0, left - estimateTokens(piece.text));
    cuts.push(piece.cut);
    return piece.text;
  };
  const has = (word: string) => prompt.user.includes(`{${word}}`);
  const error = material.error && has('error') ? take(material.error((left * 2) / 3)) : '';
  const near = take(lastLines(before, left / 2));
  const behind = take(firstLines(after, left / 2));
  const above = nearestCells(has('before') ? cells : [], left);
  const filled = {
    ...values,
    error,
    before: fencedPassages([...above.cells, { language: values.language ?? '', code: near }]),
    after: behind
  };
  return { messages: messagesOf(prompt, filled), cut: joinCuts(...cuts, above.cut) };
}

/** Return as many of the last cells as fit, and a sentence about the others. */
export function nearestCells(
  cells: readonly Passage[],
  tokens: number
): { readonly cells: readonly Passage[]; readonly cut: string } {
  let [left, count] = [tokens, 0];
  for (const { code } of [...cells].reverse()) {
    left -= estimateTokens(code) + 2;
    if (left < 0) {
      break;
    }
    count += 1;
  }
  const missing = cells.length - count;
  return {
    cells: cells.slice(missing),
    cut:
      missing === 0
        ? ''
        : trans._n('%1 cell above was left out.', '%1 cells above were left out.', missing)
  };
}

/** Return as many of the first lines as fit. */
function firstLines(text: string, tokens: number): Piece {
  const lines = text.split('\n');
  const count = countWithin(lines, tokens);
  const left = lines.length - count;
  return {
    text: lines.slice(0, count).join('\n'),
    cut:
      left === 0
        ? ''
        : trans._n(
            '%1 line far below the cursor was left out.',
            '%1 lines far below the cursor were left out.',
            left
          )
  };
}

/** Return as many of the last lines as fit. */
function lastLines(text: string, tokens: number): Piece {
  const lines = text.split('\n');
  const left = lines.length - countWithin([...lines].reverse(), tokens);
  return {
    text: lines.slice(left).join('\n'),
    cut:
      left === 0
        ? ''
        : trans._n(
            '%1 line far above the cursor was left out.',
            '%1 lines far above the cursor were left out.',
            left
          )
  };
}

function countWithin(lines: readonly string[], tokens: number): number {
  if (lines.every(line => line.trim() === '')) {
    return lines.length;
  }
  let left = tokens;
  const over = lines.findIndex(line => (left -= estimateTokens(line) + 1) < 0);
  return over < 0 ? lines.length : over;
}
