/** The Local Models panel and its place in JupyterLab. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Store } from '../state/store.js';
import { ModelsView } from '../views/modelsView.js';
import type { ColumnKey } from '../views/table/columns.js';
import { DEFAULTS, type Settings } from './settings.js';

/** The command that opens the panel or brings it to the front. */
export const OPEN_COMMAND = 'a3s-power:open-models';

export const icon = new LabIcon({
  name: 'a3s-power:models',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16">' +
    '<path class="jp-icon3" fill="#616161" d="M13 2 4 14h6l-1 8 9-12h-6z"/></svg>'
});

class ModelsPanel extends Widget {
  private view: ModelsView | null = null;
  private hidden: readonly ColumnKey[] = [];

  constructor(private readonly store: Store) {
    super();
    this.id = 'a3s-power-models';
    this.addClass('a3s-panel');
    this.node.tabIndex = -1; // Focusable, because the shell makes the focused widget current.
    this.title.label = 'Local Models';
    this.title.caption = 'Local Models';
    this.title.icon = icon;
    this.title.closable = true;
  }

  hideColumns(columns: readonly ColumnKey[]): void {
    this.hidden = columns;
    this.view?.hideColumns(columns);
  }

  protected override onAfterAttach(_message: Message): void {
    this.view = new ModelsView(this.store);
    this.view.hideColumns(this.hidden);
    this.node.append(this.view.element);
  }

  protected override onActivateRequest(_message: Message): void {
    this.node.focus();
  }

  protected override onBeforeDetach(_message: Message): void {
    this.view?.dispose();
    this.view?.element.remove();
    this.view = null;
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
  private settings: Settings = DEFAULTS;

  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly store: Store,
    restorer: ILayoutRestorer | null
  ) {
    void restorer?.restore(this.tracker, { command: OPEN_COMMAND, name: () => 'models' });
  }

  open(): void {
    const panel = this.attach();
    const shell: JupyterFrontEnd.IShell & Sidebars = this.app.shell;
    shell.activateById(panel.id);
    if (!panel.isVisible) {
      shell.expandRight?.(panel.id);
    }
  }

  /** Apply the settings: add the panel to a sidebar at startup, or move an open one. */
  apply(settings: Settings): void {
    const moved = settings.area !== this.settings.area;
    this.settings = settings;
    if (moved && this.panel?.isAttached) {
      this.app.shell.add(this.panel, settings.area);
    } else if (settings.area !== 'main') {
      this.attach();
    }
    this.panel?.hideColumns(settings.hiddenColumns);
  }

  private attach(): ModelsPanel {
    if (this.panel === null || this.panel.isDisposed) {
      this.panel = new ModelsPanel(this.store);
      this.panel.hideColumns(this.settings.hiddenColumns);
      void this.tracker.add(this.panel);
    }
    if (!this.panel.isAttached) {
      this.app.shell.add(this.panel, this.settings.area);
    }
    if (!this.panel.isAttached) {
      // Notebook 7 does not add a second widget to its main area.
      this.app.shell.add(this.panel, 'right');
    }
    return this.panel;
  }
}
