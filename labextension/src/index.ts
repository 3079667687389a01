/** JupyterLab plugin: the Local Models panel and an item in the status bar. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

import { FetchTransport } from './api/fetchTransport.js';
import { messageOf, modelPath, type Transport } from './api/transport.js';
import { icon, OPEN_COMMAND, PanelManager } from './lab/panel.js';
import { watchSettings } from './lab/settings.js';
import { StatusBarItem } from './lab/statusBar.js';
import { loadedModels, loadingModels, type State } from './state/state.js';
import { sharedStore, Store } from './state/store.js';
import { describeModel } from './views/summary.js';

const PLUGIN_ID = 'a3s-power-jupyter:plugin';
const UNLOAD_COMMAND = 'a3s-power:unload';

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'A panel and a status bar item for local language models.',
  autoStart: true,
  optional: [ICommandPalette, ILauncher, ILayoutRestorer, ISettingRegistry, IStatusBar],
  activate: async (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null
  ) => {
    const server = app.serviceManager.serverSettings;
    const transport = new FetchTransport((path, init) =>
      ServerConnection.makeRequest(URLExt.join(server.baseUrl, path), init, server)
    );
    const store = sharedStore(() => new Store(transport, document));
    const panel = new PanelManager(app, store, restorer);
    addCommands(app.commands, transport, panel);
    palette?.addItem({ command: OPEN_COMMAND, category: 'Local Models' });
    launcher?.add({ command: OPEN_COMMAND, category: 'Other', rank: 50 });
    const statusItem = statusBar && addStatusItem(app.commands, store, statusBar);
    await watchSettings(registry, PLUGIN_ID, settings => {
      panel.apply(settings);
      statusItem?.setEnabled(settings.statusBar);
    });
  }
};

function addCommands(commands: CommandRegistry, transport: Transport, panel: PanelManager): void {
  commands.addCommand(OPEN_COMMAND, {
    label: 'Local Models',
    caption: 'Load, unload, pull and delete local language models',
    icon,
    execute: () => panel.open()
  });
  commands.addCommand(UNLOAD_COMMAND, {
    label: args => (args['label'] as string | undefined) ?? 'Unload a local model',
    isEnabled: args => args['loaded'] === true,
    execute: async args => {
      const id = args['id'] as string;
      try {
        await transport.request('POST', modelPath(id, 'unload'), {});
      } catch (error) {
        Notification.error(`Could not unload ${id}: ${messageOf(error)}`);
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
