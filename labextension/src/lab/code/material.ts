/** What a model is told about a cell or a file besides the question: code, errors and other cells. */

import type { Attachment } from '../../views/chat/attachment.js';
import { cellAttachments } from '../context/cells.js';
import { cutLines } from '../context/cutting.js';
import { placedCell } from '../context/front.js';
import { readableTraceback } from '../context/traceback.js';
import { errorOf, languageOf, type Place, sourceOf } from './places.js';
import type { Passage } from './prompts.js';
import type { Material } from './question.js';
import { ranCode } from './ranCode.js';

/** Return the code of a place and the error of its cell. */
export function materialOf(place: Place, code: string): Material {
  const error = place.kind === 'cell' ? errorOf(place.cell) : null;
  return {
    values: { language: languageOf(place), code },
    ...(error !== null && { error: (tokens: number) => readableTraceback(error, tokens) })
  };
}

/** Return the code of the cells above a cell that were run, before the execution `end`. */
export function cellsAbove(place: Place, end = Infinity): readonly Passage[] {
  if (place.kind === 'file') {
    return [];
  }
  const { widgets, model } = place.panel.content;
  const above = widgets.slice(0, widgets.indexOf(place.cell)).map(cell => cell.model);
  return ranCode(above, model?.defaultKernelLanguage ?? '', end);
}

/** Return a cell or a file as attachments of a question in the chat. */
export function attachmentsOf(
  place: Place,
  withError: boolean,
  tokens: number
): readonly Attachment[] {
  if (place.kind === 'cell') {
    const placed = placedCell({ kind: 'notebook', panel: place.panel }, place.cell);
    return cellAttachments(placed, tokens, { source: true, outputs: withError });
  }
  const piece = cutLines(sourceOf(place), tokens, 'start');
  const title = place.panel.title.label;
  return [{ kind: 'file', title, language: languageOf(place), ...piece }];
}
