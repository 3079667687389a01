/** Which code of a notebook has run as it is now. */

import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';

import { codeLanguage } from '../context/cellMagic.js';
import { outputTypes } from '../context/outputs.js';
import type { Passage } from './prompts.js';

/** Commands of this package, which say nothing about the code around. */
const OWN = /^\s*%%?power\b/;

/**
 * Return the code of cells that ran to their end, in their order.
 *
 * Cells that were edited since, or that raised an error, are left out: their code is not what ran.
 * So are those that were run again after the execution `end`, or are of an earlier, longer session.
 */
export function ranCode(cells: readonly ICellModel[], language: string, end = Infinity): Passage[] {
  return cells
    .filter(cell => hasRun(cell, end))
    .map(({ sharedModel }) => sharedModel.getSource())
    .filter(source => source.trim() !== '' && !OWN.test(source))
    .map(code => ({ language: codeLanguage(code, language), code }));
}

function hasRun(cell: ICellModel, end: number): boolean {
  if (cell.type !== 'code') {
    return false;
  }
  const { executionCount, isDirty } = cell as ICodeCellModel;
  const isBefore = executionCount !== null && executionCount < end;
  return isBefore && !isDirty && !outputTypes(cell).includes('error');
}
