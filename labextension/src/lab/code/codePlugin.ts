/** The JupyterLab plugin that fixes, explains and writes code in cells and files. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IEditorTracker } from '@jupyterlab/fileeditor';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { trans } from '../../views/i18n.js';
import { chatIcon } from '../icons.js';
import { IAssistant, IPower } from '../tokens.js';
import type { CodeAssistant } from './codeAssistant.js';
import type { CellPlace, Place } from './places.js';

const PLUGIN_ID = 'a3s-power-jupyter:code';

/** What a command needs of the cell or the file in front. */
type Needs = 'error' | 'code' | 'text' | 'editor';

interface Command {
  readonly id: string;
  readonly label: string;
  readonly needs: Needs;
  run(assistant: CodeAssistant, place: Place): Promise<void> | void;
}

export const codePlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Fix, explain and write code with a local model.',
  autoStart: true,
  requires: [IPower],
  optional: [
    IAssistant,
    ICommandPalette,
    IEditorLanguageRegistry,
    IEditorTracker,
    INotebookTracker,
    ISettingRegistry
  ],
  activate: (
    app: JupyterFrontEnd,
    power: IPower,
    assistant: IAssistant | null,
    palette: ICommandPalette | null,
    languages: IEditorLanguageRegistry | null,
    editors: IEditorTracker | null,
    notebooks: INotebookTracker | null,
    registry: ISettingRegistry | null
  ) => {
    let loading: Promise<CodeAssistant> | null = null;
    const load = () => {
      loading ??= import('./codeAssistant.js').then(
        ({ CodeAssistant }) => new CodeAssistant(power, assistant, languages)
      );
      return loading;
    };
    const start = async (command: Command, place: Place) => {
      const loaded = await load();
      await loaded.reporting(async () => command.run(loaded, place));
    };
    const front = () => placeInFront(app, notebooks, editors);
    const list = commands();
    for (const command of list) {
      app.commands.addCommand(command.id, {
        label: command.label,
        isEnabled: () => isPossible(command.needs, front()),
        execute: () => {
          const place = front();
          return place === null ? undefined : start(command, place);
        }
      });
      palette?.addItem({ command: command.id, category: 'Power' });
    }
    app.commands.addCommand(MENU_COMMAND, {
      label: trans.__('Ask a local model'),
      caption: trans.__('Explain, improve, document or test this cell with a local model'),
      icon: chatIcon,
      execute: async () => {
        const { openCellMenu } = await import('./cellMenu.js');
        openCellMenu(app.commands, notebooks);
      }
    });
    void registry?.load(PLUGIN_ID); // the shortcut, the menus and the button in cells
    notebooks?.widgetAdded.connect((_, panel) => {
      void import('./errorButtons.js').then(({ showErrorButtons }) => {
        const run = (id: string) => (place: CellPlace) => {
          const command = list.find(each => each.id === id);
          if (command) {
            void start(command, place);
          }
        };
        showErrorButtons(panel, {
          fix: run('a3s-power:fix-error'),
          explain: run('a3s-power:explain-error')
        });
      });
    });
  }
};

const MENU_COMMAND = 'a3s-power:cell-menu';

function commands(): readonly Command[] {
  return [
    {
      id: 'a3s-power:fix-error',
      label: trans.__('Fix Error'),
      needs: 'error',
      run: (assistant, place) => assistant.rewrite(place, 'fix_error')
    },
    {
      id: 'a3s-power:explain-error',
      label: trans.__('Explain Error'),
      needs: 'error',
      run: (assistant, place) => assistant.explain(place, 'explain_error')
    },
    {
      id: 'a3s-power:explain-code',
      label: trans.__('Explain Code'),
      needs: 'text',
      run: (assistant, place) => assistant.explain(place, 'explain')
    },
    {
      id: 'a3s-power:improve-code',
      label: trans.__('Improve Code'),
      needs: 'text',
      run: (assistant, place) => assistant.rewrite(place, 'improve')
    },
    {
      id: 'a3s-power:document-code',
      label: trans.__('Document Code'),
      needs: 'code',
      run: (assistant, place) => assistant.rewrite(place, 'document')
    },
    {
      id: 'a3s-power:write-tests',
      label: trans.__('Write Tests'),
      needs: 'code',
      run: (assistant, place) => (place.kind === 'cell' ? assistant.writeTests(place) : undefined)
    },
    {
      id: 'a3s-power:write-code',
      label: trans.__('Write Code at the Cursor'),
      needs: 'editor',
      run: (assistant, place) => assistant.write(place)
    }
  ];
}

/** Return the active cell or the editor of the widget in front. */
function placeInFront(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker | null,
  editors: IEditorTracker | null
): Place | null {
  const current = app.shell.currentWidget;
  const panel = notebooks?.currentWidget;
  if (panel && panel === current) {
    const cell = panel.content.activeCell;
    return cell === null ? null : { kind: 'cell', panel, cell };
  }
  const file = editors?.currentWidget;
  return file && file === current ? { kind: 'file', panel: file } : null;
}

function isPossible(needs: Needs, place: Place | null): boolean {
  if (place === null) {
    return false;
  }
  const { sharedModel } = place.kind === 'cell' ? place.cell.model : place.panel.content.model;
  const isCode = place.kind === 'file' || place.cell.model.type === 'code';
  switch (needs) {
    case 'error':
      return place.kind === 'cell' && place.cell.hasClass('a3s-mod-error');
    case 'code':
      return place.kind === 'cell' && isCode && sharedModel.getSource().trim() !== '';
    case 'text':
      return sharedModel.getSource().trim() !== '';
    case 'editor':
      return place.kind === 'file' || place.cell.editor !== null;
  }
}
