/** Where code is: cells and files, their editors, and where a view is put below them. */

import { type Cell, CodeCell, MarkdownCell } from '@jupyterlab/cells';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import type { FileEditor } from '@jupyterlab/fileeditor';
import type { IError } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { PanelLayout, type Widget } from '@lumino/widgets';

import { cellLanguage } from '../context/cells.js';
import { languageOfType, placedCell } from '../context/front.js';
import { isIntended } from '../context/traceback.js';
import { editBetween } from './edits.js';

/** A cell of a notebook. */
export interface CellPlace {
  readonly kind: 'cell';
  readonly panel: NotebookPanel;
  readonly cell: Cell;
}

/** A file in an editor. */
export interface FilePlace {
  readonly kind: 'file';
  readonly panel: IDocumentWidget<FileEditor>;
}

export type Place = CellPlace | FilePlace;

export function modelOf(place: Place): CodeEditor.IModel {
  return place.kind === 'cell' ? place.cell.model : place.panel.content.model;
}

export function sourceOf(place: Place): string {
  return modelOf(place).sharedModel.getSource();
}

export function editorOf(place: Place): CodeEditor.IEditor | null {
  return place.kind === 'cell' ? place.cell.editor : place.panel.content.editor;
}

/** Return the language as in Markdown; '' if it is not known. */
export function languageOf(place: Place): string {
  return place.kind === 'cell'
    ? cellLanguage(placedCell({ kind: 'notebook', panel: place.panel }, place.cell))
    : languageOfType(modelOf(place).mimeType);
}

/** Return the number of the execution of a cell; null if it has not been run. */
export function executionOf(place: Place): number | null {
  return place.kind === 'cell' && place.cell instanceof CodeCell
    ? place.cell.model.executionCount
    : null;
}

export function isReadOnly(place: Place): boolean {
  return place.kind === 'cell'
    ? place.cell.model.getMetadata('editable') === false
    : place.panel.content.editor.getOption('readOnly') === true;
}

/** Replace the source in a step of its own that can be undone. */
export function replaceSource(place: Place, after: string): void {
  const { sharedModel } = modelOf(place);
  const edit = editBetween(sharedModel.getSource(), after);
  if (edit === null) {
    return;
  }
  // Changes that follow each other quickly are one step otherwise.
  const { undoManager } = sharedModel as { undoManager?: { stopCapturing?(): void } | null };
  undoManager?.stopCapturing?.();
  sharedModel.updateSource(edit.start, edit.end, edit.text);
  undoManager?.stopCapturing?.();
}

/** Put the focus into the editor, or on a cell that is shown without it. */
export function focusEditor(place: Place): void {
  if (place.kind === 'cell') {
    const { content } = place.panel;
    const index = content.widgets.indexOf(place.cell);
    if (index < 0) {
      return;
    }
    content.activeCellIndex = index;
    if (place.cell instanceof MarkdownCell && place.cell.rendered) {
      content.mode = 'command';
      content.activate();
      return;
    }
    content.mode = 'edit';
    void place.cell.ready.then(() => place.cell.editor?.focus()); // a new cell has none yet
    return;
  }
  editorOf(place)?.focus();
}

/** Show a widget below the editor. It is closed with the document or the cell. */
export function mountBelow(place: Place, widget: Widget): void {
  if (place.kind === 'cell') {
    insertAfter(place.cell, 'jp-Cell-inputWrapper', widget);
    return;
  }
  const { layout } = place.panel;
  if (layout instanceof PanelLayout) {
    layout.addWidget(widget);
  }
}

/** Put a widget after the part of a cell that has a class, or else at its end. */
export function insertAfter(cell: Cell, className: string, widget: Widget): void {
  const layout = cell.layout as PanelLayout;
  const index = layout.widgets.findIndex(part => part.hasClass(className));
  layout.insertWidget(index < 0 ? layout.widgets.length : index + 1, widget);
}

/**
 * Return the error that a cell has ended with.
 *
 * It is null if there is none, if the user ended the cell, and if the code was edited since: the error
 * is that of the old code until the cell is run again.
 */
export function errorOf(cell: Cell): IError | null {
  if (!(cell instanceof CodeCell) || cell.model.isDirty) {
    return null;
  }
  const { outputs } = cell.model;
  for (let index = outputs.length - 1; index >= 0; index -= 1) {
    const output = outputs.get(index);
    if (output.type === 'error') {
      const error = output.toJSON() as IError;
      return isIntended(error) ? null : error;
    }
  }
  return null;
}
