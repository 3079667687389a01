/** The notebook, editor or console in front, which context comes from and code goes to. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Cell, CodeCell, ICodeCellModel } from '@jupyterlab/cells';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { ConsolePanel, IConsoleTracker } from '@jupyterlab/console';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import type { FileEditor, IEditorTracker } from '@jupyterlab/fileeditor';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import { oncePerFrame } from '../../views/dom.js';
import type { PlacedCell } from './cells.js';

/** What a front end has of JupyterLab's trackers. Notebook 7 lacks some of them. */
export interface Trackers {
  readonly notebooks: INotebookTracker | null;
  readonly editors: IEditorTracker | null;
  readonly consoles: IConsoleTracker | null;
  readonly browsers: IFileBrowserFactory | null;
  readonly documents: IDocumentManager | null;
}

export type Front =
  | { readonly kind: 'notebook'; readonly panel: NotebookPanel }
  | { readonly kind: 'file'; readonly panel: IDocumentWidget<FileEditor> }
  | { readonly kind: 'console'; readonly panel: ConsolePanel };

/**
 * Follows what is in front.
 *
 * It stays in front while another widget has the focus, such as a chat in a tab beside it.
 */
export class FrontTracker {
  private readonly listeners = new Set<() => void>();
  private readonly notify = oncePerFrame(() => this.listeners.forEach(listener => listener()));
  private last: Front | null = null;
  /** Disconnects the signals of the active cell or editor. */
  private unwatch: () => void = () => undefined;

  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly trackers: Trackers
  ) {
    const update = () => this.update();
    shell.currentChanged?.connect(update);
    for (const tracker of [trackers.notebooks, trackers.editors, trackers.consoles]) {
      (tracker?.currentChanged as ISignal<unknown, unknown> | undefined)?.connect(update);
    }
    trackers.notebooks?.activeCellChanged.connect(update);
    trackers.notebooks?.selectionChanged.connect(this.notify);
    this.update();
  }

  /** Call `listener` soon after a change of what is in front, of its selection or its outputs. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get front(): Front | null {
    const now = this.frontOf(this.shell.currentWidget);
    if (now !== null) {
      return now;
    }
    return this.last !== null && !this.last.panel.isDisposed && this.last.panel.isVisible
      ? this.last
      : null;
  }

  private frontOf(widget: Widget | null): Front | null {
    const { notebooks, editors, consoles } = this.trackers;
    if (widget === null || widget.isDisposed) {
      return null;
    }
    const isIt = (panel: Widget) => panel === widget;
    const notebook = notebooks?.find(isIt);
    if (notebook) {
      return { kind: 'notebook', panel: notebook };
    }
    const file = editors?.find(isIt);
    if (file) {
      return { kind: 'file', panel: file };
    }
    const console = consoles?.find(isIt);
    return console ? { kind: 'console', panel: console } : null;
  }

  private update(): void {
    const { front } = this;
    this.last = front;
    this.unwatch();
    this.unwatch = front === null ? () => undefined : this.watch(front);
    this.notify();
  }

  /** Follow the selection and the outputs of the active cell or editor. */
  private watch(front: Front): () => void {
    const signals: ISignal<unknown, unknown>[] = [];
    const editor = editorOf(front);
    const outputs = (activeCell(front)?.model as Partial<ICodeCellModel> | undefined)?.outputs;
    if (editor) {
      signals.push(editor.model.selections.changed);
    }
    if (outputs) {
      signals.push(outputs.changed);
    }
    if (front.kind === 'console') {
      signals.push(front.panel.console.executed, front.panel.console.promptCellCreated);
    }
    signals.forEach(signal => signal.connect(this.notify));
    return () => signals.forEach(signal => signal.disconnect(this.notify));
  }
}

/** Return the name of the document or the console in front. */
export function nameOf({ panel }: Front): string {
  return panel.title.label;
}

/** Return the session of the kernel; null for a file. */
export function sessionOf(front: Front): ISessionContext | null {
  return front.kind === 'file' ? null : front.panel.sessionContext;
}

/** Return the cell that is active in a notebook, or that was run last in a console. */
export function activeCell(front: Front): Cell | null {
  switch (front.kind) {
    case 'notebook':
      return front.panel.content.activeCell;
    case 'console':
      return consoleCells(front.panel).at(-1) ?? null;
    case 'file':
      return null;
  }
}

/** Return the editor that has the cursor; null if there is none, or it is not drawn now. */
export function editorOf(front: Front): CodeEditor.IEditor | null {
  switch (front.kind) {
    case 'notebook':
      return front.panel.content.activeCell?.editor ?? null;
    case 'console':
      return front.panel.console.promptCell?.editor ?? null;
    case 'file':
      return front.panel.content.editor;
  }
}

/** Return the text that is selected in the editor, and its first line from 1 on; null if none is. */
export function selectionOf(front: Front): { text: string; line: number } | null {
  const editor = editorOf(front);
  if (editor === null) {
    return null;
  }
  const { start, end } = editor.getSelection();
  const [from = 0, to = 0] = [editor.getOffsetAt(start), editor.getOffsetAt(end)].sort(
    (a, b) => a - b
  );
  const text = editor.model.sharedModel.getSource().slice(from, to);
  const line = Math.min(start.line, end.line) + 1;
  return text.trim() === '' ? null : { text, line };
}

/** Return all cells of a notebook or a console in front. */
export function allCells(front: Front): Cell[] {
  switch (front.kind) {
    case 'notebook':
      return [...front.panel.content.widgets];
    case 'console':
      return consoleCells(front.panel);
    case 'file':
      return [];
  }
}

/** Return the cells of a notebook that are selected, with the active one. */
export function selectedCells(front: Front): Cell[] {
  return front.kind === 'notebook' ? [...front.panel.content.selectedCells] : [];
}

/** Return a cell with its place. */
export function placedCell(front: Front, cell: Cell): PlacedCell {
  const number = front.kind === 'notebook' ? allCells(front).indexOf(cell) + 1 : 0;
  return { cell: cell.model.toJSON(), number, language: languageOf(front) };
}

/** Return the language of a kernel or a file, such as `python`; '' if it is not known. */
export function languageOf(front: Front): string {
  if (front.kind === 'notebook') {
    return front.panel.content.model?.defaultKernelLanguage ?? '';
  }
  return languageOfType(editorOf(front)?.model.mimeType ?? '');
}

/** Return the language of a MIME type of an editor: `python` for `text/x-ipython`. */
export function languageOfType(type: string): string {
  const [, name = ''] = /^(?:text|application)\/(?:x-)?([\w+#-]+)/.exec(type) ?? [];
  const names: Record<string, string> = { ipython: 'python', ipythongfm: 'markdown', plain: '' };
  return names[name] ?? name;
}

function consoleCells(panel: ConsolePanel): CodeCell[] {
  return [...panel.console.cells].filter((cell): cell is CodeCell => cell.model.type === 'code');
}
