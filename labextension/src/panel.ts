/** The panel of models, and where in JupyterLab it is. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { ColumnKey } from './columns.js';
import type { Live } from './live.js';
import { DEFAULTS, type Settings } from './settings.js';
import { TableView } from './tableView.js';

/** The command that opens the panel, or brings it to the front. */
export const OPEN = 'a3s-power:open-models';

export const icon = new LabIcon({
  name: 'a3s-power:models',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16">' +
    '<path class="jp-icon3" fill="#616161" d="M13 2 4 14h6l-1 8 9-12h-6z"/></svg>'
});

class ModelsPanel extends Widget {
  private view: TableView | null = null;
  private hidden: readonly ColumnKey[] = [];

  constructor(private readonly live: Live) {
    super();
    this.id = 'a3s-power-models';
    this.addClass('a3s-panel');
    this.node.tabIndex = -1; // so that it can be what has the focus, and be the current one
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
    this.view = new TableView(this.live);
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

/** Notebook 7 has room for one widget in its main area, and shows what is in a sidebar by this. */
interface Sidebars {
  expandRight?(id: string): void;
}

/** Keeps one panel in the place that the settings say. */
export class PanelPlace {
  private readonly tracker = new WidgetTracker<ModelsPanel>({ namespace: 'a3s-power' });
  private panel: ModelsPanel | null = null;
  private settings: Settings = DEFAULTS;

  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly live: Live,
    restorer: ILayoutRestorer | null
  ) {
    void restorer?.restore(this.tracker, { command: OPEN, name: () => 'models' });
  }

  open(): void {
    const panel = this.add();
    const shell: JupyterFrontEnd.IShell & Sidebars = this.app.shell;
    shell.activateById(panel.id);
    if (!panel.isVisible) {
      shell.expandRight?.(panel.id);
    }
  }

  /** A sidebar has its panel from the start; one that is open goes where it belongs. */
  apply(settings: Settings): void {
    const moves = settings.area !== this.settings.area && this.panel?.isAttached;
    this.settings = settings;
    if (moves && this.panel) {
      this.app.shell.add(this.panel, settings.area);
    } else if (settings.area !== 'main') {
      this.add();
    }
    this.panel?.hideColumns(settings.hiddenColumns);
  }

  private add(): ModelsPanel {
    if (this.panel === null || this.panel.isDisposed) {
      this.panel = new ModelsPanel(this.live);
      this.panel.hideColumns(this.settings.hiddenColumns);
      void this.tracker.add(this.panel);
    }
    if (!this.panel.isAttached) {
      this.app.shell.add(this.panel, this.settings.area);
    }
    if (!this.panel.isAttached) {
      this.app.shell.add(this.panel, 'right');
    }
    return this.panel;
  }
}
