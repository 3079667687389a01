/** Tools that read a notebook. */

import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker } from '@jupyterlab/notebook';

import type { ChatTool } from '../../views/chat/tools.js';
import type { Variable } from '../context/variableText.js';
import { readVariables } from '../context/variables.js';
import {
  CELL,
  cellOf,
  hasRaised,
  NOTEBOOK,
  notebookOf,
  outputsText,
  sourceOf
} from './notebooks.js';
import { count, text, tool } from './schema.js';

/** Most characters of the first line of a cell. */
const MAX_LINE = 80;

export function readingTools(tracker: INotebookTracker): ChatTool[] {
  return [listCells(tracker), readCells(tracker), listVariables(tracker)];
}

function listCells(tracker: INotebookTracker): ChatTool {
  return tool('list_cells', {
    description: 'List the cells of a notebook: number, id, type, first line, whether it raised.',
    isReadOnly: true,
    properties: { notebook: NOTEBOOK },
    prepare: async parameters => {
      const panel = await notebookOf(parameters, tracker);
      const { path } = panel.context;
      return {
        summary: `List the cells of ${path}`,
        scope: path,
        run: async () => Promise.resolve([path, ...panel.content.widgets.map(cellLine)].join('\n'))
      };
    }
  });
}

function readCells(tracker: INotebookTracker): ChatTool {
  return tool('read_cells', {
    description: 'Read one cell, or several in a row: their sources, and their outputs as text.',
    isReadOnly: true,
    properties: {
      cell: CELL,
      first: { type: 'integer', description: 'Number of the first cell. Default: 1.' },
      count: { type: 'integer', description: 'Number of cells. Default: 10.' },
      notebook: NOTEBOOK
    },
    prepare: async parameters => {
      const panel = await notebookOf(parameters, tracker);
      const { path } = panel.context;
      const id = text(parameters, 'cell');
      const chosen = id === undefined ? null : cellOf(panel, id);
      const start = count(parameters, 'first', 1, 1) - 1;
      const end = start + count(parameters, 'count', 10, 1);
      const { widgets } = panel.content;
      const range = `${start + 1} to ${Math.min(end, widgets.length)}`;
      const which = chosen === null ? `cells ${range}` : `cell ${widgets.indexOf(chosen) + 1}`;
      return {
        summary: `Read ${which} of ${path} with their outputs`,
        scope: path,
        run: async () => {
          const cells = panel.content.widgets;
          const read = chosen === null ? cells.slice(start, end) : [chosen];
          return Promise.resolve(
            read.map(cell => cellText(cell, cells.indexOf(cell))).join('\n\n') ||
              `The notebook has ${cells.length} cells.`
          );
        }
      };
    }
  });
}

function listVariables(tracker: INotebookTracker): ChatTool {
  return tool('list_variables', {
    description: 'List the variables of the kernel of a notebook: name, type, size, beginning.',
    isReadOnly: true,
    properties: { notebook: NOTEBOOK },
    prepare: async parameters => {
      const panel = await notebookOf(parameters, tracker);
      const { path } = panel.context;
      return {
        summary: `List the variables of ${path}`,
        scope: path,
        run: async () => {
          const { variables, secrets, more } = await readVariables(panel.sessionContext);
          const left = secrets.length === 0 ? [] : [`[may be secrets: ${secrets.join(', ')}]`];
          const rest = more === 0 ? [] : [`[${more} more]`];
          return [...variables.map(variableText), ...left, ...rest].join('\n') || 'There are none.';
        }
      };
    }
  });
}

function variableText({ name, type, size, text: value }: Variable): string {
  const head = `${name}: ${type}${size === '' ? '' : ` (${size})`}`;
  return value === '' ? head : `${head} ${value.includes('\n') ? `\n${value}` : `= ${value}`}`;
}

function cellLine(cell: Cell, index: number): string {
  const line = sourceOf(cell).trimStart().split('\n', 1)[0] ?? '';
  const raised = hasRaised(cell) ? ' (raised an error)' : '';
  return `[${index + 1}] ${cell.model.id} ${cell.model.type}${raised}: ${line.slice(0, MAX_LINE)}`;
}

function cellText(cell: Cell, index: number): string {
  const outputs = outputsText(cell);
  const shown = outputs === '' ? '' : `\nOutput:\n${outputs}`;
  return `[${index + 1}] ${cell.model.id} ${cell.model.type}\n${sourceOf(cell)}${shown}`;
}
