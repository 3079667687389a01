/** The Local Models panel and its place in JupyterLab. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { IStateDB } from '@jupyterlab/statedb';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Store } from '../state/store.js';
import type { LabHost } from '../views/host.js';
import { trans } from '../views/i18n.js';
import { ModelsView } from '../views/modelsView.js';
import type { ColumnKey } from '../views/table/columns.js';
import {
  DEFAULT_PREFERENCES,
  readPreferences,
  type TablePreferences
} from '../views/table/preferences.js';
import { acceptDrops } from './fileBrowser.js';
import { modelsIcon } from './icons.js';
import type { Settings } from './settings.js';

/** The command that opens the panel or brings it to the front. */
export const OPEN_COMMAND = 'a3s-power:open-models';

/** Where the state database has the preferences of the table. */
const PREFERENCES = 'a3s-power-table:preferences';

class ModelsPanel extends Widget {
  private view: ModelsView | null = null;
  private hidden: readonly ColumnKey[] = [];
  private preferences: TablePreferences = DEFAULT_PREFERENCES;

  constructor(
    private readonly store: Store,
    private readonly host: LabHost,
    private readonly state: IStateDB | null
  ) {
    super();
    this.id = 'a3s-power-models';
    this.addClass('a3s-panel');
    this.node.tabIndex = -1; // Focusable, because the shell makes the focused widget current.
    this.title.label = trans.__('Local Models');
    this.title.caption = trans.__('Local Models');
    this.title.icon = modelsIcon;
    this.title.closable = true;
    if (host.registerFiles !== undefined) {
      acceptDrops(this.node, paths => void host.registerFiles?.(paths));
    }
    void this.restore();
  }

  hideColumns(columns: readonly ColumnKey[]): void {
    this.hidden = columns;
    this.view?.hideColumns(columns);
  }

  protected override onAfterAttach(_message: Message): void {
    this.view = new ModelsView(this.store, this.host, this.preferences, preferences => {
      this.preferences = preferences;
      void this.state?.save(PREFERENCES, preferences as never);
    });
    this.view.hideColumns(this.hidden);
    this.node.append(this.view.element);
  }

  protected override onActivateRequest(_message: Message): void {
    this.node.focus();
  }

  /** Forget a panel that was closed, so that it stays closed after a reload. */
  protected override onCloseRequest(_message: Message): void {
    this.dispose();
  }

  protected override onBeforeDetach(_message: Message): void {
    this.view?.dispose();
    this.view?.element.remove();
    this.view = null;
  }

  /** Apply the saved preferences, which JupyterLab has only after all plugins are activated. */
  private async restore(): Promise<void> {
    const saved = await this.state?.fetch(PREFERENCES);
    if (saved !== undefined) {
      this.preferences = readPreferences(saved);
      this.view?.setPreferences(this.preferences);
    }
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
    this.panel?.hideColumns(settings.hiddenColumns);
  }

  private attach(): ModelsPanel {
    const { area, hiddenColumns } = this.settings;
    if (this.panel === null || this.panel.isDisposed) {
      this.panel = new ModelsPanel(this.store, this.host, this.state);
      this.panel.hideColumns(hiddenColumns);
      this.app.shell.add(this.panel, area);
      void this.tracker.add(this.panel);
    } else if (!this.panel.isAttached) {
      this.app.shell.add(this.panel, area);
    }
    return this.panel;
  }
}
