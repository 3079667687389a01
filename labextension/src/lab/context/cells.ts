/** Cells as attachments. */

import type { ICell, IOutput } from '@jupyterlab/nbformat';

import type { Attachment } from '../../views/chat/attachment.js';
import { trans } from '../../views/i18n.js';
import { codeLanguage } from './cellMagic.js';
import { cutLines, estimateTokens, joinCuts, share, sum } from './cutting.js';
import { joined, outputParts, type OutputParts } from './outputs.js';
import { readableTraceback } from './traceback.js';

/** A cell, and where it is. */
export interface PlacedCell {
  readonly cell: ICell;
  /** Its place in the notebook, from 1 on; 0 if it is not known. */
  readonly number: number;
  /** Language of the kernel, such as `python`. */
  readonly language: string;
}

/** What of a cell is attached. */
export interface Parts {
  readonly source: boolean;
  readonly outputs: boolean;
}

export const WHOLE: Parts = { source: true, outputs: true };
export const OUTPUTS: Parts = { source: false, outputs: true };

/** Return the name of a cell: "Cell 3", with the number of its execution as in "Cell 3 [12]". */
export function cellTitle({ cell, number }: PlacedCell): string {
  const name = number === 0 ? trans.__('Cell') : trans.__('Cell %1', number);
  const count = cell.execution_count;
  return typeof count === 'number' ? `${name} [${count}]` : name;
}

/** Return the language of a cell, as in Markdown. */
export function cellLanguage({ cell, language }: PlacedCell): string {
  if (cell.cell_type === 'markdown') {
    return 'markdown';
  }
  return cell.cell_type === 'code' ? codeLanguage(joined(cell.source), language) : '';
}

export function outputsOf({ cell }: PlacedCell): OutputParts {
  const outputs = cell.outputs;
  return outputParts(Array.isArray(outputs) ? (outputs as IOutput[]) : []);
}

/**
 * Return a cell as attachments of at most about `tokens` tokens in all, without its images.
 *
 * The error of a cell that raised is an attachment of its own, as are its text and its images.
 */
export function cellAttachments(
  placed: PlacedCell,
  tokens: number,
  { source, outputs }: Parts
): Attachment[] {
  const title = cellTitle(placed);
  const code = source ? joined(placed.cell.source) : '';
  const { text, images, error, cut } = outputs ? outputsOf(placed) : outputParts([]);
  const whole = error === null ? null : readableTraceback(error, Infinity).text;
  const sizes = [code, whole ?? '', text].map(estimateTokens);
  const [codeTokens = 0, errorTokens = 0, textTokens = 0] = share(tokens, sizes);
  const attachments: Attachment[] = [];
  if (code !== '') {
    const piece = cutLines(code, codeTokens, 'start');
    attachments.push({ kind: 'cell', title, language: cellLanguage(placed), ...piece });
  }
  if (error !== null) {
    const piece = readableTraceback(error, errorTokens);
    attachments.push({
      kind: 'error',
      title: trans.__('Error of %1', title),
      language: '',
      ...piece
    });
  }
  if (text !== '') {
    const piece = cutLines(text, textTokens, 'ends');
    attachments.push({
      kind: 'output',
      title: trans.__('Output of %1', title),
      language: '',
      text: piece.text,
      cut: joinCuts(piece.cut, cut)
    });
  }
  return [...attachments, ...imageAttachments(trans.__('Image of %1', title), images)];
}

function imageAttachments(title: string, images: readonly string[]): Attachment[] {
  return images.map((image, index) => ({
    kind: 'image',
    title: images.length === 1 ? title : `${title} (${index + 1})`,
    text: '',
    language: '',
    image,
    cut: ''
  }));
}

/** Return cells with their outputs, as attachments of at most about `tokens` tokens in all. */
export function cellsAttachments(cells: readonly PlacedCell[], tokens: number): Attachment[] {
  const whole = cells.map(cell => cellAttachments(cell, Infinity, WHOLE));
  const shares = share(
    tokens,
    whole.map(parts => sum(parts.map(({ text }) => estimateTokens(text))))
  );
  return cells.flatMap((cell, index) => cellAttachments(cell, shares[index] ?? 0, WHOLE));
}
