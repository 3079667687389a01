/** The context of notebooks, files and consoles: what a question can be about, and where code goes. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Attachment } from '../../views/chat/attachment.js';
import type { CodeAction } from '../../views/chat/codeAction.js';
import type { ContextSource, ContextSources } from '../../views/chat/context.js';
import type { ChatTool } from '../../views/chat/tools.js';
import { trans } from '../../views/i18n.js';
import { notebookTools } from '../tools/index.js';
import { cellAttachments, WHOLE } from './cells.js';
import { checkRoom } from './cutting.js';
import { codeActions } from './codeActions.js';
import { canDrop, dropped } from './drop.js';
import { fileSources } from './fileSources.js';
import { type Front, FrontTracker, nameOf, placedCell, type Trackers } from './front.js';
import { notebookText } from './notebookText.js';
import { frontSources } from './sources.js';

export type { Trackers } from './front.js';
export { type CellSource, type Neighbours, neighbours } from './notebookText.js';

/** The members of a `ChatHost` that depend on what is in front. */
export interface NotebookContext {
  readonly context: ContextSources;
  readonly codeActions: readonly CodeAction[];
  readonly tools: () => readonly ChatTool[];
}

/** Return what a chat gets of JupyterLab's notebooks, files and consoles. Call it once. */
export function notebookContext(app: JupyterFrontEnd, trackers: Trackers): NotebookContext {
  const tracker = new FrontTracker(app.shell, trackers);
  const tools = notebookTools(trackers.notebooks, app.serviceManager.contents, app.restored);
  return {
    context: notebookSources(app, trackers, tracker),
    codeActions: codeActions(app, tracker),
    tools: () => tools
  };
}

function notebookSources(
  { serviceManager: { contents } }: JupyterFrontEnd,
  { notebooks, browsers, documents }: Trackers,
  tracker: FrontTracker
): ContextSources {
  return {
    list: () => {
      const { front } = tracker;
      const sources = [
        ...(front === null ? [] : frontSources(front)),
        ...fileSources(contents, browsers, documents)
      ];
      return sources.map(withRoom);
    },
    onChange: listener => tracker.onChange(listener),
    accepts: canDrop,
    drop: (data, tokens) => (canDrop(data) ? dropped(data, notebooks, contents, tokens) : null)
  };
}

/** Return a source that refuses to collect where nothing sensible fits. */
function withRoom(source: ContextSource): ContextSource {
  return {
    ...source,
    collect: async tokens => {
      checkRoom(tokens);
      return source.collect(tokens);
    }
  };
}

/** Share of the room that a cell and its error may take; the rest is for the cells around it. */
const CELL_SHARE = 0.7;

/**
 * Return a cell, its error and the cells before and after it as attachments, in at most about
 * `tokens` tokens in all.
 */
export function cellWithError(panel: NotebookPanel, cell: Cell, tokens: number): Attachment[] {
  checkRoom(tokens);
  const front: Front = { kind: 'notebook', panel };
  const attachments = cellAttachments(placedCell(front, cell), tokens * CELL_SHARE, WHOLE).filter(
    ({ image }) => image === undefined
  );
  const others = panel.content.widgets.filter(other => other !== cell);
  if (others.length === 0) {
    return attachments;
  }
  const active = panel.content.widgets.indexOf(cell);
  const placed = others.map(other => placedCell(front, other));
  const piece = notebookText(placed, active - 0.5, tokens * (1 - CELL_SHARE));
  const title = trans.__('Other cells of %1', nameOf(front));
  return [...attachments, { kind: 'cell', title, language: 'markdown', ...piece }];
}
