/** Tools that change a notebook or run its cells. Each change can be undone. */

import { type Cell, MarkdownCell } from '@jupyterlab/cells';
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import type { ChatTool } from '../../views/chat/tools.js';
import {
  CELL,
  cellOf,
  hasRaised,
  nameOf,
  NOTEBOOK,
  notebookOf,
  outputsText,
  sourceOf
} from './notebooks.js';
import { markdownWarning } from './markdownWarning.js';
import { text, tool } from './schema.js';

/** Seconds for which a call waits for a cell. */
const PATIENCE = 120;

export function changingTools(tracker: INotebookTracker): ChatTool[] {
  return [addCell(tracker), editCell(tracker), runCell(tracker)];
}

function addCell(tracker: INotebookTracker): ChatTool {
  return tool('add_cell', {
    description: 'Add a cell to a notebook. It is not run.',
    isReadOnly: false,
    properties: {
      source: { type: 'string', description: 'Code or Markdown.' },
      type: { type: 'string', enum: ['code', 'markdown'], description: 'Default: code.' },
      after: { type: 'string', description: 'Id of the cell before it. Default: the last cell.' },
      notebook: NOTEBOOK
    },
    required: ['source'],
    prepare: async parameters => {
      const panel = await notebookOf(parameters, tracker);
      const { path } = panel.context;
      const type = text(parameters, 'type') === 'markdown' ? 'markdown' : 'code';
      const after = text(parameters, 'after');
      const where =
        after === undefined
          ? `at the end of ${path}`
          : `after ${nameOf(panel, cellOf(panel, after))}`;
      const source = text(parameters, 'source') ?? '';
      return {
        summary: `Add a ${type === 'code' ? 'code' : 'Markdown'} cell ${where}`,
        scope: path,
        code: source,
        ...(type === 'markdown' && markdownWarning(source)),
        run: async () => Promise.resolve(insert(panel, type, source, after))
      };
    }
  });
}

function insert(
  panel: NotebookPanel,
  type: 'code' | 'markdown',
  source: string,
  after: string | undefined
): string {
  const { widgets } = panel.content;
  const before = after === undefined ? widgets.at(-1) : cellOf(panel, after);
  const index = before === undefined ? 0 : widgets.indexOf(before) + 1;
  const { sharedModel } = openModel(panel);
  const { id } = sharedModel.insertCell(index, { cell_type: type, source, metadata: {} });
  showSource(panel.content.widgets[index]);
  return `The cell was added as cell ${index + 1}, with the id ${id}. It was not run.`;
}

function editCell(tracker: INotebookTracker): ChatTool {
  return tool('edit_cell', {
    description: 'Replace the whole source of a cell. It is not run.',
    isReadOnly: false,
    properties: {
      cell: CELL,
      source: { type: 'string', description: 'The new source, complete.' },
      notebook: NOTEBOOK
    },
    required: ['cell', 'source'],
    prepare: async parameters => {
      const panel = await notebookOf(parameters, tracker);
      const cell = cellOf(panel, text(parameters, 'cell') ?? '');
      const before = sourceOf(cell);
      const source = text(parameters, 'source') ?? '';
      if (cell.model.getMetadata('editable') === false) {
        throw new Error('The cell cannot be edited: its metadata says so.');
      }
      return {
        summary: `Edit ${nameOf(panel, cell)}`,
        scope: panel.context.path,
        code: source,
        replaced: before,
        ...(cell instanceof MarkdownCell && markdownWarning(source)),
        run: async () => {
          const now = unchanged(panel, cell, before);
          showSource(now);
          now.model.sharedModel.setSource(source);
          return Promise.resolve('The cell was edited. It was not run.');
        }
      };
    }
  });
}

function runCell(tracker: INotebookTracker): ChatTool {
  return tool('run_cell', {
    description: 'Run a code cell in the kernel of its notebook, and read its output.',
    isReadOnly: false,
    properties: { cell: CELL, notebook: NOTEBOOK },
    required: ['cell'],
    prepare: async parameters => {
      const panel = await notebookOf(parameters, tracker);
      const cell = cellOf(panel, text(parameters, 'cell') ?? '');
      if (cell.model.type !== 'code') {
        throw new Error('Only code cells can be run.');
      }
      const source = sourceOf(cell);
      return {
        summary: `Run ${nameOf(panel, cell)}`,
        scope: panel.context.path,
        code: source,
        run: async () => await run(panel, unchanged(panel, cell, source)),
        interrupt: async () => await panel.sessionContext.session?.kernel?.interrupt()
      };
    }
  });
}

/** Run a cell and return its output, or what it has printed until the patience ends. */
async function run(panel: NotebookPanel, cell: Cell): Promise<string> {
  const { sessionContext } = panel;
  if (!sessionContext.session?.kernel) {
    throw new Error('The notebook has no kernel.');
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), PATIENCE * 1000);
  });
  const done = NotebookActions.runCells(panel.content, [cell], sessionContext).then(() => true);
  const hasEnded = await Promise.race([done, tooLong]).finally(() => clearTimeout(timer));
  const outputs = outputsText(cell) || '(no output)';
  if (!hasEnded) {
    return `The cell still runs after ${PATIENCE} seconds. Its output so far:\n${outputs}`;
  }
  return hasRaised(cell) ? `The cell raised an error:\n${outputs}` : outputs;
}

/** Return a cell that the user was asked about, if it is still as it was shown. */
function unchanged(panel: NotebookPanel, cell: Cell, source: string): Cell {
  const now = cellOf(panel, cell.model.id);
  if (sourceOf(now) !== source) {
    throw new Error('The cell has been changed since the user was asked. Read it again.');
  }
  return now;
}

/** Show the source of a Markdown cell, because rendering would load its images. */
function showSource(cell: Cell | undefined): void {
  if (cell instanceof MarkdownCell) {
    cell.rendered = false;
  }
}

function openModel(panel: NotebookPanel): NonNullable<NotebookPanel['model']> {
  if (panel.isDisposed || panel.model === null) {
    throw new Error('The notebook was closed.');
  }
  return panel.model;
}
