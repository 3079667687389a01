/** The context of notebooks, files and consoles: what a question can be about, and where code goes. */

import type { JupyterFrontEnd } from '@jupyterlab/application';

import type { CodeAction } from '../../views/chat/codeAction.js';
import type { ContextSources } from '../../views/chat/context.js';
import { codeActions } from './codeActions.js';
import { FrontTracker, type Trackers } from './front.js';
import { frontSources } from './sources.js';

export type { Trackers } from './front.js';

/** The members of a `ChatHost` that depend on what is in front. */
export interface NotebookContext {
  readonly context: ContextSources;
  readonly codeActions: readonly CodeAction[];
}

/** Return what a chat gets of JupyterLab's notebooks, files and consoles. Call it once. */
export function notebookContext(app: JupyterFrontEnd, trackers: Trackers): NotebookContext {
  const tracker = new FrontTracker(app.shell, trackers);
  return { context: notebookSources(tracker), codeActions: codeActions(app, tracker) };
}

function notebookSources(tracker: FrontTracker): ContextSources {
  return {
    list: () => (tracker.front === null ? [] : frontSources(tracker.front)),
    onChange: listener => tracker.onChange(listener),
    accepts: () => false,
    drop: () => null
  };
}
