/** In JupyterLab: a panel with the models and pulls of the server, and an item in the status bar. */

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

import { Live, shared } from './live.js';
import { PageTransport } from './pageTransport.js';
import { icon, OPEN, PanelPlace } from './panel.js';
import { DEFAULTS, type Settings } from './settings.js';
import { loadedModels, loadingModels, type State } from './state.js';
import { PowerStatus } from './status.js';
import { describe } from './summary.js';
import { modelPath, type Transport } from './transport.js';

const UNLOAD = 'a3s-power:unload';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'a3s-power-jupyter:plugin',
  description:
    'Local models: a panel to load, unload, pull and delete them, and what is in memory.',
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
    const transport = new PageTransport((path, init) =>
      ServerConnection.makeRequest(URLExt.join(server.baseUrl, path), init, server)
    );
    const live = shared(() => new Live(transport, document));
    addUnloadCommand(app.commands, transport);
    const place = new PanelPlace(app, live, restorer);
    app.commands.addCommand(OPEN, {
      label: 'Local Models',
      caption: 'Load, unload, pull and delete local language models',
      icon,
      execute: () => place.open()
    });
    palette?.addItem({ command: OPEN, category: 'Local Models' });
    launcher?.add({ command: OPEN, category: 'Other', rank: 50 });
    const status = statusBar === null ? null : addStatus(app, live, statusBar);
    await followSettings(registry, settings => {
      place.apply(settings);
      status?.allow(settings.statusBar);
    });
  }
};

/** Calls `apply` with the settings, now and whenever they change. */
async function followSettings(
  registry: ISettingRegistry | null,
  apply: (settings: Settings) => void
): Promise<void> {
  if (registry === null) {
    apply(DEFAULTS);
    return;
  }
  const settings = await registry.load(plugin.id);
  const changed = () => apply(settings.composite as unknown as Settings);
  settings.changed.connect(changed);
  changed();
}

function addStatus(app: JupyterFrontEnd, live: Live, statusBar: IStatusBar): PowerStatus {
  const menu = new Menu({ commands: app.commands });
  const status = new PowerStatus(button => openMenu(menu, status.state, button));
  statusBar.registerStatusItem(plugin.id, {
    item: status,
    align: 'right',
    rank: 100,
    isActive: () => status.isActive,
    activeStateChanged: status.activeStateChanged
  });
  live.subscribe((state, standing) => status.display(state, standing === 'connected'));
  return status;
}

function openMenu(menu: Menu, { models }: State, button: HTMLButtonElement): void {
  const now = Date.now() / 1000;
  menu.clearItems();
  menu.addItem({ command: OPEN });
  for (const model of loadedModels(models)) {
    const label = `Unload ${describe(model, now)}`;
    menu.addItem({ command: UNLOAD, args: { id: model.id, label, loaded: true } });
  }
  for (const model of loadingModels(models)) {
    const label = describe(model, now);
    menu.addItem({ command: UNLOAD, args: { id: model.id, label, loaded: false } });
  }
  const { left, top } = button.getBoundingClientRect();
  menu.open(left, top);
}

function addUnloadCommand(commands: CommandRegistry, transport: Transport): void {
  commands.addCommand(UNLOAD, {
    label: args => String(args['label'] ?? 'Unload a local model'),
    isEnabled: args => args['loaded'] === true,
    execute: async args => {
      const id = String(args['id']);
      try {
        await transport.request('POST', modelPath(id, 'unload'), {});
      } catch (error) {
        Notification.error(`${id} was not unloaded: ${(error as Error).message}`);
      }
    }
  });
}

export default plugin;
