/** The anywidget module of `ModelTable` and `PullProgress`. */

import type { Pull } from '../api/types.js';
import type { Store } from '../state/store.js';
import { root } from '../views/dom.js';
import { ModelsView } from '../views/modelsView.js';
import { PullView } from '../views/pulls/pullView.js';
import { type View, widget, type WidgetModel } from './widget.js';

/** Show the state of a pull from the server, or from the kernel while it cannot be reached. */
function createPullView(model: WidgetModel, store: Store): View {
  const name = String(model.get('name'));
  const view = new PullView(name, store.transport);
  let connected = false;
  const showStatus = () => {
    const status = model.get('status') as Pull | null;
    if (!connected && status) {
      view.update(status);
    }
  };
  const unsubscribe = store.subscribe(({ models, pulls }, connection) => {
    connected = connection === 'connected';
    if (connected) {
      const pulled: Pull | undefined = models.has(name) ? { name, status: 'done' } : undefined;
      view.update(pulls.get(name) ?? pulled);
    }
  });
  model.on('change:status', showStatus);
  showStatus();
  return {
    element: root('a3s-one-pull', view.element),
    dispose: () => {
      unsubscribe();
      model.off('change:status', showStatus);
    }
  };
}

export default widget((model, store) =>
  model.get('kind') === 'pull' ? createPullView(model, store) : new ModelsView(store)
);
