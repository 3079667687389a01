/** The JupyterLab plugin of inline completion. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

import { trans } from '../../views/i18n.js';
import { IPower } from '../tokens.js';
import { InlineCompletion } from './inline.js';
import { InlineStatusItem } from './statusItem.js';

const PLUGIN_ID = 'a3s-power-jupyter:inline';

const TOGGLE = 'a3s-power:toggle-inline-completion';
const CHOOSE = 'a3s-power:choose-inline-model';
const LOAD = 'a3s-power:load-inline-model';
const STATUS = 'a3s-power:inline-status';

export const inlinePlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Completes code while you type, with a local model.',
  autoStart: true,
  requires: [IPower],
  optional: [ICompletionProviderManager, ISettingRegistry, IStatusBar, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    power: IPower,
    manager: ICompletionProviderManager | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null
  ) => {
    const inline = new InlineCompletion(power.store, registry, manager);
    manager?.registerInlineProvider(inline.provider());
    addCommands(app.commands, inline);
    for (const command of [CHOOSE, TOGGLE]) {
      palette?.addItem({ command, category: 'Power' });
    }
    if (statusBar !== null) {
      addStatusItem(app.commands, inline, statusBar);
    }
    void inline.follow(PLUGIN_ID);
  }
};

function addCommands(commands: CommandRegistry, inline: InlineCompletion): void {
  const choose = async () => {
    const { chooseModel } = await import('./chooseModel.js');
    const model = await chooseModel(await inline.knownModels(), inline.settings.model);
    if (model !== null) {
      await inline.choose(model);
    }
  };
  commands.addCommand(CHOOSE, {
    label: trans.__('Choose Local Model for Inline Completion…'),
    execute: choose
  });
  commands.addCommand(TOGGLE, {
    label: () =>
      inline.isOn
        ? trans.__('Turn Off Inline Completion by Local Model')
        : trans.__('Turn On Inline Completion by Local Model'),
    caption: trans.__('Turn the completion of code by a local model on or off'),
    execute: () => (inline.settings.model === '' ? choose() : inline.toggle())
  });
  commands.addCommand(LOAD, {
    label: () => trans.__('Load %1', inline.settings.model),
    isVisible: () => inline.waitsForMemory,
    execute: () => inline.load()
  });
  commands.addCommand(STATUS, {
    label: () => inline.status.sentence,
    isEnabled: () => false,
    execute: () => undefined
  });
  inline.changed.connect(() => commands.notifyCommandChanged(TOGGLE));
}

function addStatusItem(
  commands: CommandRegistry,
  inline: InlineCompletion,
  statusBar: IStatusBar
): void {
  const menu = new Menu({ commands });
  menu.addClass('a3s-InlineMenu');
  for (const command of [STATUS, LOAD, TOGGLE, CHOOSE]) {
    menu.addItem({ command });
  }
  const item = new InlineStatusItem(place => menu.open(place.left, place.top));
  statusBar.registerStatusItem(PLUGIN_ID, {
    item,
    align: 'right',
    rank: 99,
    isActive: () => item.isActive,
    activeStateChanged: item.activeStateChanged
  });
  inline.changed.connect(() => item.display(inline.settings.model, inline.status));
}
