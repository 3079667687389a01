/** The Local Models panel and its place in JupyterLab. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { IStateDB } from '@jupyterlab/statedb';
import type { Message } from '@lumino/messaging';

import type { Store } from '../state/store.js';
import type { LabHost } from '../views/host.js';
import { trans } from '../views/i18n.js';
import type { ModelsView } from '../views/modelsView.js';
import { acceptDrops } from './fileBrowser.js';
import { modelsIcon } from './icons.js';
import { LazyWidget } from './lazyWidget.js';
import type { Settings } from './settings.js';

/** The command that opens the panel or brings it to the front. */
export const OPEN_COMMAND = 'a3s-power:open-models';

/** Where the state database has the preferences of the table. */
const PREFERENCES = 'a3s-power-table:preferences';

class ModelsPanel extends LazyWidget<ModelsView> {
  protected override onActivateRequest(_message: Message): void {
    this.node.focus();
  }
}

/** The method of Notebook 7's shell that expands the right sidebar to show a widget. */
interface Sidebars {
  expandRight?(id: string): void;
}

/** Creates the panel on demand and keeps it in the area chosen in the settings. */
export class PanelManager {
  private readonly tracker = new WidgetTracker<ModelsPanel>({ namespace: 'a3s-power' });
  private panel: ModelsPanel | null = null;

  /**
   * Place the panel before JupyterLab restores its layout, which moves it to where it was.
   *
   * The layout knows the panel by a name that contains the area of the settings. A layout that was
   * saved with another area does not contain the panel, so it stays in the area of the settings.
   */
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly store: Store,
    private readonly host: LabHost,
    private settings: Settings,
    restorer: ILayoutRestorer | null,
    private readonly state: IStateDB | null
  ) {
    void restorer?.restore(this.tracker, {
      command: OPEN_COMMAND,
      args: () => ({ activate: false }),
      name: () => `models-${this.settings.area}`
    });
    if (settings.area !== 'main') {
      this.attach();
    }
    // The main area loses the widgets that its saved layout does not contain.
    void app.restored.then(() => this.panel && this.attach());
  }

  /** Open the panel, and bring it to the front if `activate` is set. */
  open(activate: boolean): void {
    const panel = this.attach();
    if (!activate) {
      return; // JupyterLab's shell adds widgets later while the application starts.
    }
    if (!panel.isAttached) {
      // Notebook 7 does not add a second widget to its main area.
      this.app.shell.add(panel, 'right');
    }
    const shell: JupyterFrontEnd.IShell & Sidebars = this.app.shell;
    shell.activateById(panel.id);
    if (!panel.isVisible) {
      shell.expandRight?.(panel.id);
    }
  }

  get isVisible(): boolean {
    return this.panel?.isVisible === true;
  }

  /** Apply changed settings: move an open panel, or add it to a sidebar. */
  apply(settings: Settings): void {
    const isMoved = settings.area !== this.settings.area;
    this.settings = settings;
    if (isMoved && this.panel?.isAttached) {
      this.app.shell.add(this.panel, settings.area);
      void this.tracker.save(this.panel); // under its new name
    } else if (settings.area !== 'main') {
      this.attach();
    }
    this.panel?.loaded?.hideColumns(settings.hiddenColumns);
  }

  private attach(): ModelsPanel {
    const { area } = this.settings;
    if (this.panel === null || this.panel.isDisposed) {
      this.panel = this.newPanel();
      this.app.shell.add(this.panel, area);
      void this.tracker.add(this.panel);
    } else if (!this.panel.isAttached) {
      this.app.shell.add(this.panel, area);
    }
    return this.panel;
  }

  private newPanel(): ModelsPanel {
    const panel = new ModelsPanel(() => this.newView());
    panel.id = 'a3s-power-models';
    panel.addClass('a3s-panel');
    panel.title.label = trans.__('Local Models');
    panel.title.caption = trans.__('Local Models');
    panel.title.icon = modelsIcon;
    panel.title.closable = true;
    const { registerFiles } = this.host;
    if (registerFiles !== undefined) {
      acceptDrops(panel.node, paths => void registerFiles(paths));
    }
    return panel;
  }

  private async newView(): Promise<ModelsView> {
    const [{ ModelsView }, { readPreferences }, saved] = await Promise.all([
      import('../views/modelsView.js'),
      import('../views/table/preferences.js'),
      this.state?.fetch(PREFERENCES)
    ]);
    const view = new ModelsView(this.store, this.host, readPreferences(saved), changed => {
      void this.state?.save(PREFERENCES, changed as never);
    });
    view.hideColumns(this.settings.hiddenColumns);
    return view;
  }
}
