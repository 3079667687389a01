/** What can be attached of the notebook, file or console in front. */

import type { Cell, ICodeCellModel } from '@jupyterlab/cells';

import type { Attachment } from '../../views/chat/attachment.js';
import type { ContextSource } from '../../views/chat/context.js';
import { trans } from '../../views/i18n.js';
import { cellAttachments, type Parts } from './cells.js';
import { cutLines, estimateTokens, share } from './cutting.js';
import {
  activeCell,
  editorOf,
  type Front,
  languageOf,
  languageOfType,
  nameOf,
  placedCell,
  selectedCells,
  selectionOf
} from './front.js';

const WHOLE: Parts = { source: true, outputs: true };
const OUTPUTS: Parts = { source: false, outputs: true };

/** Fewer tokens are not worth an attachment. */
const MIN_TOKENS = 24;

/** Return the entries of what is in front, those that exist now. */
export function frontSources(front: Front): ContextSource[] {
  return [
    ...selectionSource(front),
    ...activeCellSources(front),
    ...selectedCellsSource(front),
    ...fileSource(front)
  ];
}

/** Reject if there is no room for an attachment. */
export function checkRoom(tokens: number): void {
  if (tokens < MIN_TOKENS) {
    throw new Error(
      trans.__('Nothing more fits into the context of the model. Remove something first.')
    );
  }
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
    collect: async tokens => {
      checkRoom(tokens);
      return Promise.resolve(collect(tokens));
    }
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
  const entries = [source('cell', hasError ? 'error' : 'cell', label, collect(WHOLE))];
  return hasOutputs
    ? [...entries, source('output', 'output', trans.__('Output only'), collect(OUTPUTS))]
    : entries;
}

/** Return what is left of a cell that has run, without reading its outputs. */
function outcome(cell: Cell): { hasOutputs: boolean; hasError: boolean } {
  const { outputs } = cell.model as Partial<ICodeCellModel>;
  const types = [...Array(outputs?.length ?? 0).keys()].map(index => outputs?.get(index).type);
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
      const whole = placed.map(cell => tokensOf(cellAttachments(cell, Infinity, WHOLE)));
      const shares = share(tokens, whole);
      return placed.flatMap((cell, index) => cellAttachments(cell, shares[index] ?? 0, WHOLE));
    })
  ];
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

function tokensOf(attachments: readonly Attachment[]): number {
  return attachments.reduce((total, { text }) => total + estimateTokens(text), 0);
}
