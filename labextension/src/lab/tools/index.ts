/** The tools of JupyterLab's notebooks for models. */

import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';

import type { ChatTool } from '../../views/chat/tools.js';
import { changingTools } from './changingTools.js';
import { fileTools } from './fileTools.js';
import { readingTools } from './readingTools.js';

/**
 * Return the tools. A call that names no notebook is about the one in front when it is made.
 *
 * `restored` resolves when the page has its notebooks. Calls that waited when it was loaded again
 * are made before.
 */
export function notebookTools(
  tracker: INotebookTracker | null,
  contents: Contents.IManager,
  restored: Promise<unknown>
): readonly ChatTool[] {
  const ofNotebooks = tracker === null ? [] : [...readingTools(tracker), ...changingTools(tracker)];
  return [...ofNotebooks, ...fileTools(contents)].map(tool => ({
    ...tool,
    prepare: async parameters => {
      await restored;
      return tool.prepare(parameters);
    }
  }));
}
