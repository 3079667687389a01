/** Cells and files that are dragged in JupyterLab and dropped on the chat. */

import type { Cell } from '@jupyterlab/cells';
import type { ICell } from '@jupyterlab/nbformat';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';

import type { Attachment } from '../../views/chat/attachment.js';
import { cellsAttachments, type PlacedCell } from './cells.js';
import { checkRoom } from './cutting.js';
import { fileAttachments } from './files.js';
import { placedCell } from './front.js';

/** The types of the data of a drag: cells, the widgets of a notebook's cells, and paths of files. */
const CELLS = 'application/vnd.jupyter.cells';
const CELL_WIDGETS = 'internal:cells';
const FILES = 'application/x-jupyter-icontents';

/** The part of Lumino's `MimeData` that is needed here. */
interface DragData {
  hasData(type: string): boolean;
  getData(type: string): unknown;
}

/** Return whether cells or files are dragged. */
export function canDrop(data: unknown): data is DragData {
  const { hasData } = (data ?? {}) as Partial<DragData>;
  return (
    typeof hasData === 'function' && [CELLS, FILES].some(type => (data as DragData).hasData(type))
  );
}

/** Return what is dropped as attachments of at most about `tokens` tokens in all. */
export async function dropped(
  data: DragData,
  notebooks: INotebookTracker | null,
  contents: Contents.IManager,
  tokens: number
): Promise<readonly Attachment[]> {
  checkRoom(tokens);
  if (data.hasData(FILES)) {
    return fileAttachments(contents, data.getData(FILES) as string[], tokens);
  }
  return cellsAttachments(droppedCells(data, notebooks), tokens);
}

/** Return the cells with their places, which only a drag from a notebook tells. */
function droppedCells(data: DragData, notebooks: INotebookTracker | null): PlacedCell[] {
  const widgets = (data.hasData(CELL_WIDGETS) ? data.getData(CELL_WIDGETS) : []) as Cell[];
  const panel = notebooks?.find(({ content }) => content.widgets.some(cell => cell === widgets[0]));
  if (panel) {
    return widgets.map(cell => placedCell({ kind: 'notebook', panel }, cell));
  }
  const cells = data.getData(CELLS) as ICell[];
  return cells.map(cell => ({ cell, number: 0, language: '' }));
}
