/** Find the notebook and the cell that a call is about. */

import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import type { Arguments, ValueSchema } from '../../views/chat/tools.js';
import { outputParts, outputTypes } from '../context/outputs.js';
import { readableTraceback } from '../context/traceback.js';
import { text } from './schema.js';

export const NOTEBOOK: ValueSchema = {
  type: 'string',
  description: 'Path of an open notebook. Default: the notebook in front.'
};

export const CELL: ValueSchema = { type: 'string', description: 'Id of a cell, see list_cells.' };

/** Return the open notebook that a call names, or the one in front now. */
export async function notebookOf(
  parameters: Arguments,
  tracker: INotebookTracker
): Promise<NotebookPanel> {
  const path = text(parameters, 'notebook');
  const panel =
    path === undefined
      ? tracker.currentWidget
      : tracker.find(({ context }) => context.path === path);
  if (!panel) {
    throw new Error(
      path === undefined ? 'No notebook is open.' : `No notebook ${JSON.stringify(path)} is open.`
    );
  }
  await panel.context.ready;
  return panel;
}

/** Return a cell of a notebook. Throws an error if the notebook was closed, or has no such cell. */
export function cellOf(panel: NotebookPanel, id: string): Cell {
  if (panel.isDisposed) {
    throw new Error('The notebook was closed.');
  }
  const cell = panel.content.widgets.find(({ model }) => model.id === id);
  if (cell === undefined) {
    throw new Error(
      `There is no cell ${JSON.stringify(id.slice(0, 60))} in ${panel.context.path}. ` +
        'list_cells has the ids of its cells.'
    );
  }
  return cell;
}

export function sourceOf({ model }: Cell): string {
  return model.sharedModel.getSource();
}

/** Return the name of a cell for people: "cell 3 of analysis.ipynb". */
export function nameOf(panel: NotebookPanel, cell: Cell): string {
  return `cell ${panel.content.widgets.indexOf(cell) + 1} of ${panel.context.path}`;
}

/** Return the outputs of a cell as text, with its error; '' if there are none. */
export function outputsText(cell: Cell): string {
  const { outputs } = cell.model as Partial<ICodeCellModel>;
  const { text: printed, error, images } = outputParts(outputs?.toJSON() ?? []);
  return [
    printed,
    error === null ? '' : readableTraceback(error, Infinity).text,
    images.length === 0 ? '' : `[${images.length} images]`
  ]
    .filter(Boolean)
    .join('\n');
}

/** Whether a cell raised when it was run. */
export function hasRaised(cell: Cell): boolean {
  return outputTypes(cell.model).includes('error');
}
