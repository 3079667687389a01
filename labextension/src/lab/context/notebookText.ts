/** All cells of a notebook as one text. */

import { trans } from '../../views/i18n.js';
import { cellLanguage, cellTitle, outputsOf, type PlacedCell } from './cells.js';
import {
  chooseForms,
  cutLines,
  estimateTokens,
  joinCuts,
  MARKER_TOKENS,
  type Piece,
  type Step,
  sum
} from './cutting.js';
import { joined } from './outputs.js';
import { readableTraceback } from './traceback.js';

/** Most tokens of the outputs of a cell. */
const OUTPUT_TOKENS = 300;

/** Forms of a cell: with its outputs, without them, and its first line. */
const [WITH_OUTPUTS, SOURCE, OUTLINE, LEFT_OUT] = [0, 1, 2, 3];

/**
 * Return cells as Markdown, in at most about `tokens` tokens.
 *
 * Outputs are left out first, then all but the first lines of cells, then cells; each time those
 * farthest from the cell at the index `active` first, of which the source is kept.
 */
export function notebookText(cells: readonly PlacedCell[], active: number, tokens: number): Piece {
  const forms = cells.map(formsOf);
  const costs = forms.map(texts => texts.map(text => estimateTokens(text) + 1));
  const isWhole = sum(costs.map(([whole = 0]) => whole)) - 1 <= tokens;
  const chosen = chooseForms(
    costs,
    stepsFrom(cells.length, active),
    isWhole ? tokens : tokens - 2 * MARKER_TOKENS
  );
  const parts: string[] = [];
  chosen.forEach((form, index) => {
    if (form !== LEFT_OUT) {
      parts.push(forms[index]?.[form] ?? '');
    } else if (index === 0 || chosen[index - 1] !== LEFT_OUT) {
      const next = chosen.findIndex((other, at) => at > index && other !== LEFT_OUT);
      const count = (next === -1 ? chosen.length : next) - index;
      parts.push(trans._n('[... %1 cell left out ...]', '[... %1 cells left out ...]', count));
    }
  });
  const piece = cutLines(parts.join('\n'), tokens, 'ends'); // a huge cell that is active
  return { text: piece.text, cut: joinCuts(cutText(cells, chosen), piece.cut) };
}

/** Return what to leave out, in this order, of all cells but the active one. */
function stepsFrom(count: number, active: number): Step[] {
  const distance = (index: number) => Math.abs(index - active);
  const farthest = [...Array(count).keys()].sort((a, b) => distance(b) - distance(a));
  const others = farthest.filter(index => index !== active);
  const far = others.filter(index => distance(index) > 1);
  return [
    ...farthest.map(index => [index, SOURCE] as const),
    ...far.map(index => [index, OUTLINE] as const),
    ...others.map(index => [index, LEFT_OUT] as const)
  ];
}

/** Return the texts of a cell, the longest one first. */
function formsOf(placed: PlacedCell): string[] {
  const code = joined(placed.cell.source);
  const isCode = placed.cell.cell_type === 'code';
  const title = `## ${cellTitle(placed)}`;
  const body = isCode ? fenced(code, cellLanguage(placed)) : code;
  const output = outputText(placed);
  const source = `${title}\n${body}`;
  const lines = code.split('\n').filter(line => line.trim() !== '');
  const more = lines.length > 1 ? ' ...' : '';
  const outline = `${title}: ${(lines[0] ?? '').slice(0, 80)}${more}`;
  return [output === '' ? source : `${source}\n${output}`, source, outline];
}

function outputText(placed: PlacedCell): string {
  const { text, error, images } = outputsOf(placed);
  const message = error === null ? '' : readableTraceback(error, OUTPUT_TOKENS).text;
  const printed = cutLines(text, OUTPUT_TOKENS, 'ends').text;
  const shown = [printed, message].filter(part => part !== '').join('\n');
  const plots = images.length === 0 ? '' : trans._n('[%1 image]', '[%1 images]', images.length);
  const texts = [shown === '' ? '' : fenced(shown, ''), plots].filter(part => part !== '');
  return texts.length === 0 ? '' : [trans.__('Output:'), ...texts].join('\n');
}

/** Return a block of code in Markdown. */
function fenced(text: string, language: string): string {
  const runs = [...text.matchAll(/`{3,}/g)].map(([run]) => run.length + 1);
  const fence = '`'.repeat(Math.max(3, ...runs));
  return `${fence}${language}\n${text}\n${fence}`;
}

function cutText(cells: readonly PlacedCell[], chosen: readonly number[]): string {
  const count = (isIt: (form: number) => boolean) => chosen.filter(isIt).length;
  const outputs = cells.filter(
    (cell, index) => (chosen[index] ?? 0) > WITH_OUTPUTS && outputText(cell) !== ''
  ).length;
  const outlines = count(form => form === OUTLINE);
  const missing = count(form => form === LEFT_OUT);
  return joinCuts(
    outputs === 0
      ? ''
      : trans._n(
          'The output of %1 cell was left out.',
          'The outputs of %1 cells were left out.',
          outputs
        ),
    outlines === 0
      ? ''
      : trans._n(
          'Only the first line of %1 cell is included.',
          'Only the first lines of %1 cells are included.',
          outlines
        ),
    missing === 0 ? '' : trans._n('%1 cell was left out.', '%1 cells were left out.', missing)
  );
}

/** The source of a cell, for `neighbours`. */
export interface CellSource {
  readonly type: string;
  readonly source: string;
}

/** Cells around one, in the order of the notebook. */
export interface Neighbours {
  readonly before: readonly CellSource[];
  readonly after: readonly CellSource[];
}

/**
 * Return the cells before and after the cell at `index`, in at most about `tokens` tokens in all.
 *
 * The nearest ones are returned, and more of those before. Empty cells are left out, and cells are
 * never cut, so there may be none.
 */
export function neighbours(
  cells: readonly CellSource[],
  index: number,
  tokens: number
): Neighbours {
  const isFilled = ({ source }: CellSource) => source.trim() !== '';
  const before = cells.slice(0, index).filter(isFilled).reverse();
  const after = cells.slice(index + 1).filter(isFilled);
  const below = within(after, tokens / 3);
  const above = within(before, tokens - costOf(below));
  return {
    before: above.reverse(),
    after: above.length === before.length ? within(after, tokens - costOf(above)) : below
  };
}

function within(cells: readonly CellSource[], tokens: number): CellSource[] {
  let left = tokens;
  const end = cells.findIndex(({ source }) => (left -= estimateTokens(source) + 1) < 0);
  return cells.slice(0, end === -1 ? cells.length : end);
}

function costOf(cells: readonly CellSource[]): number {
  return cells.reduce((total, { source }) => total + estimateTokens(source) + 1, 0);
}
