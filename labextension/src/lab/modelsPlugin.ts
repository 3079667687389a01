/** The JupyterLab plugin of the Local Models panel and its item in the status bar. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
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

import { FetchTransport } from '../api/fetchTransport.js';
import { CHAT_COMMAND } from './assistant/commands.js';
import { FileBrowserModels } from './fileBrowser.js';
import { labIcon, modelsIcon } from './icons.js';
import { notifyOfPulls } from './notifications.js';
import { OPEN_COMMAND, PanelManager } from './panel.js';
import { renderSavedWidgets } from './savedWidgets.js';
import { loadSettings } from './settings.js';
import { StatusBarItem } from './statusBar.js';
import { StatusPopup } from './statusPopup.js';
import { IPower } from './tokens.js';
import { sharedStore, Store } from '../state/store.js';
import type { LabHost } from '../views/host.js';
import { trans, useTranslation } from '../views/i18n.js';
import { useIcons } from '../views/icons.js';

const PLUGIN_ID = 'a3s-power-jupyter:plugin';

export const modelsPlugin: JupyterFrontEndPlugin<IPower> = {
  id: PLUGIN_ID,
  description: 'A panel and a status bar item for local language models.',
  autoStart: true,
  provides: IPower,
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
    app.serviceManager.connectionFailure.connect(() => transport.checkConnection());
    renderSavedWidgets(app); // before a notebook is opened
    // Before anything is placed, because the settings say where.
    const settings = await loadSettings(registry, PLUGIN_ID, changed => {
      panel.apply(changed);
      statusItem?.setEnabled(changed.statusBar);
    });
    const openModels = () => panel.open(true);
    const files = new FileBrowserModels(app, store, browsers, openModels);
    const openChat = (model: string) => void app.commands.execute(CHAT_COMMAND, { model });
    const host: LabHost = {
      openChat,
      ...(documents && { chooseFile: () => files.choose(documents) }),
      ...(browsers && { registerFiles: (paths: readonly string[]) => files.register(paths) })
    };
    const panel = new PanelManager(app, store, host, settings, restorer, state);
    addCommand(app.commands, panel);
    notifyOfPulls(store, panel, openChat);
    palette?.addItem({ command: OPEN_COMMAND, category: 'Power' });
    launcher?.add({ command: OPEN_COMMAND, category: 'Other', rank: 50 });
    const statusItem = statusBar && addStatusItem(panel, store, statusBar);
    statusItem?.setEnabled(settings.statusBar);
    return { store, openModels };
  }
};

function addCommand(commands: CommandRegistry, panel: PanelManager): void {
  commands.addCommand(OPEN_COMMAND, {
    label: trans.__('Local Models'),
    caption: trans.__('Load, unload, pull and delete local language models'),
    icon: modelsIcon,
    execute: args => panel.open(args['activate'] !== false)
  });
}

function addStatusItem(panel: PanelManager, store: Store, statusBar: IStatusBar): StatusBarItem {
  const popup = new StatusPopup(store, () => panel.open(true));
  const item = new StatusBarItem(() => popup.toggle(item));
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
