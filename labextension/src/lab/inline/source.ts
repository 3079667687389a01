/** Find the text around the cursor in JupyterLab's notebooks, files and consoles. */

import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { Widget } from '@lumino/widgets';

import type { Cell } from './prompt.js';

/** A cell of a notebook or of a console. */
interface CellWidget {
  readonly model: { readonly type: string; readonly sharedModel: { getSource(): string } };
  readonly editor: CodeEditor.IEditor | null;
}

/** The parts of `NotebookPanel`, of a file's widget and of `ConsolePanel` that are used. */
interface Panel extends Widget {
  readonly content?: {
    readonly widgets?: readonly CellWidget[];
    readonly activeCell?: CellWidget | null;
    readonly editor?: CodeEditor.IEditor;
  };
  readonly console?: {
    readonly cells: Iterable<CellWidget>;
    readonly promptCell: CellWidget | null;
  };
  readonly context?: { readonly path: string };
}

export interface Source {
  readonly path: string;
  readonly above: readonly Cell[];
  readonly below: readonly Cell[];
}

/** Return the editor in which a widget completes. */
export function editorOf(widget: Widget): CodeEditor.IEditor | null {
  const { content, console } = widget as Panel;
  return content?.editor ?? content?.activeCell?.editor ?? console?.promptCell?.editor ?? null;
}

/** Return the path of a widget's document, and its cells around that of `editor`. */
export function sourceOf(widget: Widget, editor: CodeEditor.IEditor): Source {
  const { content, console, context } = widget as Panel;
  const path = context?.path ?? '';
  if (console !== undefined) {
    return { path, above: [...console.cells].map(cellOf), below: [] };
  }
  const cells = content?.widgets ?? [];
  const at = cells.findIndex(cell => cell.editor === editor);
  if (at < 0) {
    return { path, above: [], below: [] };
  }
  return { path, above: cells.slice(0, at).map(cellOf), below: cells.slice(at + 1).map(cellOf) };
}

function cellOf({ model }: CellWidget): Cell {
  return { type: model.type, source: model.sharedModel.getSource() };
}
