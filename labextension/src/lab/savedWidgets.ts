/**
 * Show the widgets of a notebook: live while they exist, otherwise as they were saved.
 *
 * JupyterLab's widget manager shows an error in place of a widget that is not in the kernel. Outputs
 * of our widgets have a MIME type of their own, which is preferred to that of the widget manager. Its
 * renderer contains the one of the widget manager and shows the HTML of the output instead while that
 * has no view. When the notebook is saved, what the widget shows is put into the output.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { DocumentRegistry, IDocumentWidget } from '@jupyterlab/docregistry';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';

import { h } from '../views/dom.js';
import { trans } from '../views/i18n.js';
import { CHANGED, savedViewIn } from '../views/saved/savedView.js';

/** MIME types of our widgets, as in `widgets/widgets.py`, and of all widgets. */
const SAVED_VIEW = 'application/vnd.a3s-power.widget+json';
const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';

/** The widget manager's MIME type has the rank -10. */
const RANK = -20;

/** The part of JupyterLab's `IRenderMimeRegistry` that is used here. */
interface Registry {
  readonly mimeTypes: readonly string[];
  addFactory: (factory: IRenderMime.IRendererFactory, rank?: number) => void;
  createRenderer(mimeType: string): IRenderMime.IRenderer;
}

/** Add the renderer to each notebook that is opened. */
export function renderSavedWidgets(app: JupyterFrontEnd): void {
  app.docRegistry.addWidgetExtension('Notebook', {
    createNew: (notebook: IDocumentWidget, context: DocumentRegistry.Context) => {
      const { rendermime } = notebook.content as Widget & { readonly rendermime?: Registry };
      if (rendermime === undefined || rendermime.mimeTypes.includes(SAVED_VIEW)) {
        return; // a second view of a notebook has the same registry
      }
      const outputs = new Set<SavedWidget>();
      const createRenderer = () => {
        const output = new SavedWidget(rendermime);
        outputs.add(output);
        output.disposed.connect(() => outputs.delete(output));
        return output;
      };
      rendermime.addFactory({ safe: true, mimeTypes: [SAVED_VIEW], createRenderer }, RANK);
      onAdded(rendermime, WIDGET_VIEW, () => outputs.forEach(output => output.renewLive()));
      context.saveState.connect((_, state) => {
        if (state === 'started') {
          outputs.forEach(output => output.save());
        }
      });
    }
  });
}

/**
 * Call `listener` when a renderer for `mimeType` is added.
 *
 * The widget manager first has a renderer that waits, and replaces it by one that knows the kernel. It
 * looks for those that wait only among the outputs themselves.
 */
function onAdded(registry: Registry, mimeType: string, listener: () => void): void {
  const addFactory = registry.addFactory.bind(registry);
  registry.addFactory = (factory, rank) => {
    addFactory(factory, rank);
    if (factory.mimeTypes.includes(mimeType)) {
      listener();
    }
  };
}

class SavedWidget extends Panel implements IRenderMime.IRenderer {
  private readonly note = new Widget({ node: h('div', { class: 'a3s-saved-note' }) });
  private readonly saved: IRenderMime.IRenderer;
  private live: IRenderMime.IRenderer | null = null;
  private liveId: unknown = null;
  private model: IRenderMime.IMimeModel | null = null;
  private readonly observer = new MutationObserver(() => this.showLiveOrSaved());

  constructor(private readonly registry: Registry) {
    super();
    this.addClass('a3s-saved-widget');
    this.saved = registry.createRenderer('text/html');
    this.note.node.textContent = trans.__('As saved. Run the cell to use it.');
    this.addWidget(this.saved);
    this.addWidget(this.note);
    this.node.addEventListener(CHANGED, () => this.save());
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    this.renderLive(model);
    await this.saved.renderModel(model);
  }

  /** Render the widget again, with another renderer of the widget manager. */
  renewLive(): void {
    this.liveId = null;
    if (this.model !== null) {
      this.renderLive(this.model);
    }
  }

  /** Put what the widget shows into the output, as far as it is known. */
  save(): void {
    const { model } = this;
    const shown = this.live && savedViewIn(this.live.node);
    if (model !== null && shown && model.data['text/html'] !== shown['text/html']) {
      model.setData({ data: { ...model.data, ...shown } });
    }
  }

  override dispose(): void {
    this.observer.disconnect();
    super.dispose();
  }

  /** Render the widget, unless it is rendered already. Untrusted notebooks have no widgets. */
  private renderLive(model: IRenderMime.IMimeModel): void {
    const view = model.data[WIDGET_VIEW] as { readonly model_id?: unknown } | undefined;
    const isPossible = model.trusted && this.registry.mimeTypes.includes(WIDGET_VIEW);
    const id = isPossible ? (view?.model_id ?? null) : null;
    if (id === this.liveId) {
      return;
    }
    this.liveId = id;
    this.observer.disconnect();
    this.live?.dispose();
    this.live = null;
    if (id !== null) {
      this.live = this.registry.createRenderer(WIDGET_VIEW);
      this.addWidget(this.live);
      this.observer.observe(this.live.node, { childList: true });
      void this.live.renderModel(model);
    }
    this.showLiveOrSaved();
  }

  /** The widget manager's renderer has elements while there is a view, and otherwise only text. */
  private showLiveOrSaved(): void {
    const isLive = this.live !== null && this.live.node.childElementCount > 0;
    this.saved.setHidden(isLive);
    this.note.setHidden(isLive);
    this.live?.setHidden(!isLive);
  }
}
