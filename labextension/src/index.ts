/** JupyterLab plugin: the Local Models panel and an item in the status bar. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

import { FetchTransport } from './api/fetchTransport.js';
import { messageOf, modelPath, type Transport } from './api/transport.js';
import { FileBrowserModels } from './lab/fileBrowser.js';
import { labIcon, modelsIcon } from './lab/icons.js';
import { OPEN_COMMAND, PanelManager } from './lab/panel.js';
import { renderSavedWidgets } from './lab/savedWidgets.js';
import { loadSettings } from './lab/settings.js';
import { StatusBarItem } from './lab/statusBar.js';
import { loadedModels, loadingModels, type State } from './state/state.js';
import { sharedStore, Store } from './state/store.js';
import type { LabHost } from './views/host.js';
import { trans, useTranslation } from './views/i18n.js';
import { useIcons } from './views/icons.js';
import { describeModel } from './views/summary.js';

const PLUGIN_ID = 'a3s-power-jupyter:plugin';
const UNLOAD_COMMAND = 'a3s-power:unload';

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'A panel and a status bar item for local language models.',
  autoStart: true,
  optional: [
    ICommandPalette,
    IDocumentManager,
    IFileBrowserFactory,
    ILauncher,
    ILayoutRestorer,
    ISettingRegistry,
    IStateDB,
    IStatusBar,
    ITranslator
  ],
  activate: async (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    documents: IDocumentManager | null,
    browsers: IFileBrowserFactory | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    state: IStateDB | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    useTranslation((translator ?? nullTranslator).load('a3s_power_jupyter'));
    useIcons(labIcon);
    const server = app.serviceManager.serverSettings;
    const transport = new FetchTransport(
      (path, init) => ServerConnection.makeRequest(URLExt.join(server.baseUrl, path), init, server),
      {},
      new URL(server.baseUrl, document.location.href).href
    );
    const store = sharedStore(() => new Store(transport, document));
    renderSavedWidgets(app); // before a notebook is opened
    // Before anything is placed, because the settings say where.
    const settings = await loadSettings(registry, PLUGIN_ID, changed => {
      panel.apply(changed);
      statusItem?.setEnabled(changed.statusBar);
    });
    const files = new FileBrowserModels(app, transport, browsers, () => panel.open(true));
    const host: LabHost = {
      ...(documents && { chooseFile: () => files.choose(documents) }),
      ...(browsers && { registerFiles: (paths: readonly string[]) => files.register(paths) })
    };
    const panel = new PanelManager(app, store, host, settings, restorer, state);
    addCommands(app.commands, transport, panel);
    palette?.addItem({ command: OPEN_COMMAND, category: 'Power' });
    launcher?.add({ command: OPEN_COMMAND, category: 'Other', rank: 50 });
    const statusItem = statusBar && addStatusItem(app.commands, store, statusBar);
    statusItem?.setEnabled(settings.statusBar);
  }
};

function addCommands(commands: CommandRegistry, transport: Transport, panel: PanelManager): void {
  commands.addCommand(OPEN_COMMAND, {
    label: trans.__('Local Models'),
    caption: trans.__('Load, unload, pull and delete local language models'),
    icon: modelsIcon,
    execute: args => panel.open(args['activate'] !== false)
  });
  commands.addCommand(UNLOAD_COMMAND, {
    label: args => (args['label'] as string | undefined) ?? trans.__('Unload a local model'),
    isEnabled: args => args['loaded'] === true,
    execute: async args => {
      const id = args['id'] as string;
      try {
        await transport.request('POST', modelPath(id, 'unload'), {});
      } catch (error) {
        Notification.error(trans.__('Could not unload %1: %2', id, messageOf(error)));
      }
    }
  });
}

function addStatusItem(
  commands: CommandRegistry,
  store: Store,
  statusBar: IStatusBar
): StatusBarItem {
  const menu = new Menu({ commands });
  const item = new StatusBarItem((state, button) => openMenu(menu, state, button));
  statusBar.registerStatusItem(PLUGIN_ID, {
    item,
    align: 'right',
    rank: 100,
    isActive: () => item.isActive,
    activeStateChanged: item.activeStateChanged
  });
  store.subscribe((state, connection) => item.display(state, connection === 'connected'));
  return item;
}

/** Open a menu that unloads models in memory and lists those being loaded. */
function openMenu(menu: Menu, { models }: State, button: HTMLButtonElement): void {
  const now = Date.now() / 1000;
  menu.clearItems();
  menu.addItem({ command: OPEN_COMMAND });
  for (const model of loadedModels(models)) {
    const label = `Unload ${describeModel(model, now)}`;
    menu.addItem({ command: UNLOAD_COMMAND, args: { id: model.id, label, loaded: true } });
  }
  for (const model of loadingModels(models)) {
    const label = describeModel(model, now);
    menu.addItem({ command: UNLOAD_COMMAND, args: { id: model.id, label, loaded: false } });
  }
  const { left, top } = button.getBoundingClientRect();
  menu.open(left, top);
}

export default plugin;
