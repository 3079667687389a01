/** Shows in JupyterLab's status bar which models the server has loaded, and unloads them. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { IStatusBar } from '@jupyterlab/statusbar';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

import { loadedModels, loadingModels, type Models, NO_MODELS, reduce } from './events.js';
import { follow } from './follow.js';
import { describe } from './format.js';
import { PowerStatus } from './status.js';

const UNLOAD = 'a3s-power:unload';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'a3s-power-jupyter:status',
  description: 'Shows which local models are loaded, and unloads them.',
  autoStart: true,
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, statusBar: IStatusBar | null) => {
    if (statusBar === null) {
      return;
    }
    const settings = app.serviceManager.serverSettings;
    addUnloadCommand(app.commands, settings);
    const menu = new Menu({ commands: app.commands });
    const status = new PowerStatus(button => openMenu(menu, status.models, button));
    statusBar.registerStatusItem(plugin.id, {
      item: status,
      align: 'right',
      rank: 100,
      isActive: () => status.isActive,
      activeStateChanged: status.activeStateChanged
    });
    followWhileVisible(signal =>
      follow({
        signal,
        open: signal => request(settings, 'v1/events', { signal }),
        onEvent: event => {
          status.models = reduce(status.models, event);
        },
        onLost: () => {
          status.models = NO_MODELS;
        }
      })
    );
  }
};

function request(
  settings: ServerConnection.ISettings,
  path: string,
  init: RequestInit
): Promise<Response> {
  return ServerConnection.makeRequest(URLExt.join(settings.baseUrl, path), init, settings);
}

/**
 * A hidden tab holds no connection: a browser opens about six to one server over HTTP/1.1, and
 * that many tabs would leave none for anything else. The snapshot at the start of a stream brings
 * a tab that is looked at again up to date.
 */
function followWhileVisible(start: (signal: AbortSignal) => Promise<void>): void {
  let current: AbortController | null = null;
  const update = () => {
    current?.abort();
    current = null;
    if (document.visibilityState === 'visible') {
      current = new AbortController();
      void start(current.signal);
    }
  };
  document.addEventListener('visibilitychange', update);
  update();
}

function openMenu(menu: Menu, models: Models, button: HTMLButtonElement): void {
  const now = Date.now() / 1000;
  menu.clearItems();
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

function addUnloadCommand(commands: CommandRegistry, settings: ServerConnection.ISettings): void {
  commands.addCommand(UNLOAD, {
    label: args => String(args['label'] ?? 'Unload a local model'),
    isEnabled: args => args['loaded'] === true,
    execute: async args => {
      const id = String(args['id']);
      const path = `v1/models/${encodeURIComponent(id)}/unload`;
      const response = await request(settings, path, { method: 'POST' });
      if (!response.ok) {
        Notification.error(`${id} was not unloaded: ${await errorMessage(response)}`);
      }
    }
  });
}

/** The message of an error reply; a proxy in between may have answered with something else. */
async function errorMessage(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return String(JSON.parse(text).error.message);
  } catch {
    return `the server answered ${response.status}.`;
  }
}

export default plugin;
