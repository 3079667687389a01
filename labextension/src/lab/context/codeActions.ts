/** Put code of an answer into the notebook, file or console in front. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type Cell, MarkdownCell } from '@jupyterlab/cells';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { CodeAction } from '../../views/chat/codeAction.js';
import { trans } from '../../views/i18n.js';
import type { IconName } from '../../views/icons.js';
import { editorOf, type Front, type FrontTracker, nameOf, selectionOf } from './front.js';
import { type Edit, insertion, withoutLastLines } from './inserting.js';

/** What an action would change. */
interface Target {
  /** The tooltip. */
  readonly description: string;
  run(code: string, language: string): Promise<void>;
}

/** Why there is nothing to change. */
type Reason = string;

interface Definition {
  readonly id: string;
  readonly icon: IconName;
  readonly label: () => string;
  readonly target: (front: Front) => Target | Reason;
}

const DEFINITIONS: readonly Definition[] = [
  {
    id: 'insert',
    icon: 'insert',
    label: () => trans.__('Insert at cursor'),
    target: front => insertTarget(front)
  },
  {
    id: 'replace',
    icon: 'replace',
    label: () => trans.__('Replace'),
    target: front => replaceTarget(front)
  },
  {
    id: 'new-cell',
    icon: 'newCell',
    label: () => trans.__('New cell below'),
    target: front => newCellTarget(front)
  }
];

/** Return the buttons above the code of answers. */
export function codeActions(app: JupyterFrontEnd, tracker: FrontTracker): readonly CodeAction[] {
  return DEFINITIONS.map(({ id, icon, label, target }) => {
    const find = (): Target | Reason => {
      const { front } = tracker;
      return front === null ? trans.__('open a notebook or a file first') : target(front);
    };
    return {
      id,
      icon,
      label: label(),
      isEnabled: () => typeof find() !== 'string',
      describe: () => {
        const found = find();
        return typeof found === 'string' ? `${label()} (${found})` : found.description;
      },
      onChange: listener => tracker.onChange(listener),
      run: async (code, language) => {
        const found = find();
        if (typeof found === 'string') {
          throw new Error(found);
        }
        await found.run(code, language);
        const { front } = tracker;
        if (front !== null) {
          app.shell.activateById(front.panel.id);
          editorOf(front)?.focus();
        }
      }
    };
  });
}

function insertTarget(front: Front): Target | Reason {
  const place = placeOf(front);
  if (typeof place === 'string') {
    return place;
  }
  return {
    description: trans.__('Insert at the cursor of %1', place.name),
    run: async code => {
      const editor = await place.editor();
      const source = editor.model.sharedModel.getSource();
      apply(editor, insertion(source, editor.getOffsetAt(editor.getCursorPosition()), code));
    }
  };
}

function replaceTarget(front: Front): Target | Reason {
  const place = placeOf(front);
  if (typeof place === 'string') {
    return place;
  }
  const isSelection = selectionOf(front) !== null;
  if (!isSelection && front.kind === 'file') {
    return trans.__('select the text to replace');
  }
  return {
    description: isSelection
      ? trans.__('Replace the selection in %1', place.name)
      : trans.__('Replace all of %1', place.name),
    run: async code => {
      const editor = await place.editor();
      const { start, end } = editor.getSelection();
      const offsets = [editor.getOffsetAt(start), editor.getOffsetAt(end)];
      const all = [0, editor.model.sharedModel.getSource().length];
      const [from = 0, to = 0] = isSelection ? offsets.sort((a, b) => a - b) : all;
      apply(editor, { start: from, end: to, text: withoutLastLines(code) });
    }
  };
}

function newCellTarget(front: Front): Target | Reason {
  if (front.kind !== 'notebook') {
    return trans.__('only notebooks have cells');
  }
  const { content, context } = front.panel;
  const { model } = content;
  if (model === null || !context.isReady) {
    return trans.__('the notebook is not open yet');
  }
  return {
    description: trans.__('Add a cell below %1', placeName(front)),
    run: async (code, language) => {
      const index = content.activeCell === null ? model.cells.length : content.activeCellIndex + 1;
      model.sharedModel.insertCell(index, {
        cell_type: ['markdown', 'md'].includes(language.toLowerCase()) ? 'markdown' : 'code',
        source: withoutLastLines(code)
      });
      content.deselectAll();
      content.activeCellIndex = index;
      content.mode = 'edit';
      const cell = content.activeCell;
      if (cell !== null) {
        await drawn(front.panel, cell);
        if (cell.editor !== null) {
          moveTo(cell.editor, code.length);
        }
      }
    }
  };
}

/** An editor that can be changed. */
interface Place {
  /** The cell or the file, as in "cell 3 of Untitled.ipynb". */
  readonly name: string;
  /** Return the editor, once it is drawn. */
  editor(): Promise<CodeEditor.IEditor>;
}

function placeOf(front: Front): Place | Reason {
  if (front.kind === 'notebook') {
    const { panel } = front;
    const cell = panel.content.activeCell;
    if (cell === null) {
      return trans.__('no cell is active');
    }
    if (cell.model.getMetadata('editable') === false) {
      return trans.__('%1 is read-only', placeName(front));
    }
    return { name: placeName(front), editor: () => cellEditor(panel, cell) };
  }
  const editor = editorOf(front);
  if (editor === null) {
    return trans.__('%1 is not ready yet', nameOf(front));
  }
  if (editor.getOption('readOnly') === true) {
    return trans.__('%1 is read-only', nameOf(front));
  }
  const name =
    front.kind === 'console' ? trans.__('the prompt of %1', nameOf(front)) : nameOf(front);
  return { name, editor: () => Promise.resolve(editor) };
}

function placeName(front: Extract<Front, { kind: 'notebook' }>): string {
  const { content } = front.panel;
  return content.activeCell === null
    ? nameOf(front)
    : trans.__('cell %1 of %2', content.activeCellIndex + 1, nameOf(front));
}

/** Show a cell and return its editor. */
async function cellEditor(panel: NotebookPanel, cell: Cell): Promise<CodeEditor.IEditor> {
  await drawn(panel, cell);
  if (cell instanceof MarkdownCell) {
    cell.rendered = false;
  }
  panel.content.mode = 'edit';
  if (cell.editor === null) {
    throw new Error(trans.__('The cell is not shown. Scroll to it, and try again.'));
  }
  return cell.editor;
}

/** Scroll to a cell that is not drawn, and wait until it is. */
async function drawn(panel: NotebookPanel, cell: Cell): Promise<void> {
  if (cell.editor === null || !cell.inViewport) {
    await panel.content.scrollToCell(cell);
  }
  await cell.ready;
}

/** The part of the shared models of cells and files that their interface lacks. */
interface SharedUndo {
  readonly undoManager?: { stopCapturing(): void } | null;
}

/** Change the text of an editor in one step, which can be undone, and select the end of it. */
function apply(editor: CodeEditor.IEditor, { start, end, text }: Edit): void {
  const { sharedModel } = editor.model;
  const { undoManager } = sharedModel as SharedUndo;
  undoManager?.stopCapturing(); // edits of the last moment would be undone with this one
  sharedModel.updateSource(start, end, text);
  undoManager?.stopCapturing();
  moveTo(editor, start + text.length);
}

/** Put the cursor at an offset, or at the end of a text that is shorter. */
function moveTo(editor: CodeEditor.IEditor, offset: number): void {
  const { length } = editor.model.sharedModel.getSource();
  const position = editor.getPositionAt(Math.min(offset, length));
  if (position) {
    editor.setCursorPosition(position);
  }
}
