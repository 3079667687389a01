/** The JupyterLab plugin that knows the notebooks, files and consoles of the page. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IConsoleTracker } from '@jupyterlab/console';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { IEditorTracker } from '@jupyterlab/fileeditor';
import { INotebookTracker } from '@jupyterlab/notebook';

import type { NotebookContext } from './context/index.js';
import { INotebookContext } from './tokens.js';

export const contextPlugin: JupyterFrontEndPlugin<INotebookContext> = {
  id: 'a3s-power-jupyter:context',
  description: 'What a chat gets of notebooks, files and consoles.',
  autoStart: true,
  provides: INotebookContext,
  optional: [
    INotebookTracker,
    IEditorTracker,
    IConsoleTracker,
    IFileBrowserFactory,
    IDocumentManager
  ],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    editors: IEditorTracker | null,
    consoles: IConsoleTracker | null,
    browsers: IFileBrowserFactory | null,
    documents: IDocumentManager | null
  ) => {
    let context: Promise<NotebookContext> | undefined;
    return {
      load: () =>
        (context ??= import('./context/index.js').then(({ notebookContext }) =>
          notebookContext(app, { notebooks, editors, consoles, browsers, documents })
        ))
    };
  }
};
