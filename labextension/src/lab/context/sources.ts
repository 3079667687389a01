/** What can be attached of the notebook, file or console in front. */

import type { Cell } from '@jupyterlab/cells';

import type { Attachment } from '../../views/chat/attachment.js';
import type { ContextSource } from '../../views/chat/context.js';
import { trans } from '../../views/i18n.js';
import { cellAttachments, cellsAttachments, OUTPUTS, WHOLE, type Parts } from './cells.js';
import { cutLines } from './cutting.js';
import {
  activeCell,
  allCells,
  editorOf,
  type Front,
  languageOf,
  languageOfType,
  nameOf,
  placedCell,
  selectedCells,
  selectionOf,
  sessionOf
} from './front.js';
import { notebookText } from './notebookText.js';
import { outputTypes } from './outputs.js';
import { variableSources } from './variableSources.js';

/** Return the entries of what is in front, those that exist now. */
export function frontSources(front: Front): ContextSource[] {
  return [
    ...selectionSource(front),
    ...activeCellSources(front),
    ...selectedCellsSource(front),
    ...allCellsSource(front),
    ...fileSource(front),
    ...kernelSources(front)
  ];
}

function source(
  id: string,
  kind: Attachment['kind'],
  label: string,
  collect: (tokens: number) => Attachment[]
): ContextSource {
  return {
    id,
    kind,
    label,
    isEnabled: () => true,
    collect: tokens => Promise.resolve(collect(tokens))
  };
}

function selectionSource(front: Front): ContextSource[] {
  const selection = selectionOf(front);
  if (selection === null) {
    return [];
  }
  const { text, line } = selection;
  const lines = text.trimEnd().split('\n').length;
  const label = trans._n('Selected text (%1 line)', 'Selected text (%1 lines)', lines);
  return [
    source('selection', 'selection', label, tokens => {
      const title =
        front.kind === 'notebook'
          ? trans.__('Selection in cell %1', front.panel.content.activeCellIndex + 1)
          : trans.__('%1, line %2', nameOf(front), line);
      const language = languageOfType(editorOf(front)?.model.mimeType ?? '') || languageOf(front);
      return [{ kind: 'selection', title, language, ...cutLines(text, tokens, 'start') }];
    })
  ];
}

function activeCellSources(front: Front): ContextSource[] {
  const cell = activeCell(front);
  if (cell === null) {
    return [];
  }
  const collect = (parts: Parts) => (tokens: number) =>
    cellAttachments(placedCell(front, cell), tokens, parts);
  const { hasOutputs, hasError } = outcome(cell);
  const whole = hasError
    ? trans.__('Active cell and its error')
    : hasOutputs
      ? trans.__('Active cell and its output')
      : trans.__('Active cell');
  const last = hasError ? trans.__('Last cell and its error') : trans.__('Last cell');
  const label = front.kind === 'console' ? last : whole;
  const only = hasError ? trans.__('Error only') : trans.__('Output only');
  const entries = [source('cell', hasError ? 'error' : 'cell', label, collect(WHOLE))];
  return hasOutputs ? [...entries, source('output', 'output', only, collect(OUTPUTS))] : entries;
}

/** Return what is left of a cell that has run, without reading its outputs. */
function outcome(cell: Cell): { hasOutputs: boolean; hasError: boolean } {
  const types = outputTypes(cell.model);
  return { hasOutputs: types.length > 0, hasError: types.includes('error') };
}

function selectedCellsSource(front: Front): ContextSource[] {
  const cells = selectedCells(front);
  if (cells.length < 2) {
    return [];
  }
  const label = trans.__('Selected cells (%1)', cells.length);
  return [
    source('cells', 'cell', label, tokens => {
      const placed = cells.map(cell => placedCell(front, cell));
      return cellsAttachments(placed, tokens);
    })
  ];
}

function allCellsSource(front: Front): ContextSource[] {
  const cells = allCells(front);
  if (cells.length < 2) {
    return [];
  }
  const label = trans.__('All cells (%1)', cells.length);
  return [
    source('notebook', 'cell', label, tokens => {
      const placed = cells.map(cell => placedCell(front, cell));
      const active = cells.findIndex(cell => cell === activeCell(front));
      const title = trans.__('Cells of %1', nameOf(front));
      return [
        { kind: 'cell', title, language: 'markdown', ...notebookText(placed, active, tokens) }
      ];
    })
  ];
}

function kernelSources(front: Front): ContextSource[] {
  const session = sessionOf(front);
  if (!session?.session?.kernel) {
    return [];
  }
  return variableSources(session, () => activeCell(front)?.model.sharedModel.getSource() ?? '');
}

function fileSource(front: Front): ContextSource[] {
  const editor = editorOf(front);
  if (front.kind !== 'file' || editor === null) {
    return [];
  }
  return [
    source('document', 'file', trans.__('This file'), tokens => {
      const { mimeType, sharedModel } = editor.model;
      const piece = cutLines(sharedModel.getSource(), tokens, 'start');
      return [{ kind: 'file', title: nameOf(front), language: languageOfType(mimeType), ...piece }];
    })
  ];
}
