/** The anywidget module of `ModelTable` and `PullProgress`. */

import type { Model, Pull } from '../api/types.js';
import type { Store } from '../state/store.js';
import { root } from '../views/dom.js';
import { ModelsView } from '../views/modelsView.js';
import { PullView } from '../views/pulls/pullView.js';
import { savedModels } from '../views/saved/models.js';
import { savedPull } from '../views/saved/pull.js';
import { announceChange, offerSavedView } from '../views/saved/savedView.js';
import { type View, widget, type WidgetModel } from './widget.js';

/** Show the state of a pull from the server, or from the kernel while it cannot be reached. */
function createPullView(model: WidgetModel, store: Store): View {
  const view = new PullView(String(model.get('name')), store.transport);
  const element = root('a3s-one-pull', view.element);
  let connected = false;
  let shown: Pull | null | undefined = null; // null until the server or the kernel has told it
  const show = (pull: Pull | undefined) => {
    const hasEnded = shown !== null && shown?.status !== pull?.status && pull?.status !== 'pulling';
    shown = pull;
    view.update(pull);
    if (hasEnded) {
      announceChange(element);
    }
  };
  const showStatus = () => {
    const status = model.get('status') as Pull | null;
    if (!connected && status) {
      show(status);
    }
  };
  const unsubscribe = store.subscribe(({ models, pulls }, connection) => {
    connected = connection === 'connected';
    if (connected) {
      const { name } = view; // A candidate may have taken the place of the first one.
      const pulled: Pull | undefined = models.has(name) ? { name, status: 'done' } : undefined;
      show(pulls.get(name) ?? pulled);
    }
  });
  model.on('change:status', showStatus);
  showStatus();
  offerSavedView(element, () => (shown === null ? null : savedPull(view.name, shown)));
  return {
    element,
    dispose: () => {
      unsubscribe();
      model.off('change:status', showStatus);
    }
  };
}

function createModelsView(store: Store): View {
  const view = new ModelsView(store);
  let models: readonly Model[] | null = null; // null until the server has told them
  const unsubscribe = store.subscribe((state, connection) => {
    if (connection === 'connected') {
      models = [...state.models.values()];
    }
  });
  offerSavedView(view.element, () => models && savedModels(models));
  return {
    element: view.element,
    dispose: () => {
      unsubscribe();
      view.dispose();
    }
  };
}

export default widget(
  () => (model, store) =>
    model.get('kind') === 'pull' ? createPullView(model, store) : createModelsView(store)
);
