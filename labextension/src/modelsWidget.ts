/** The widgets of models and of a pull. */

import { root } from './dom.js';
import type { Live } from './live.js';
import { PullView } from './pullView.js';
import type { Pull } from './state.js';
import { TableView } from './tableView.js';
import { type View, widget, type WidgetModel } from './widget.js';

/** What the server says, or else what the kernel last knew: a cell that pulls tells it. */
function pullView(model: WidgetModel, live: Live): View {
  const name = String(model.get('name'));
  const view = new PullView(name, live.transport);
  const element = root('a3s-one-pull', view.element);
  let known = false;
  const showStatus = () => {
    const told = model.get('status') as Pull | null;
    if (!known && told) {
      view.update(told);
    }
  };
  const unsubscribe = live.subscribe(({ models, pulls }, standing) => {
    known = standing === 'connected';
    if (known) {
      const here: Pull | undefined = models.has(name) ? { name, status: 'done' } : undefined;
      view.update(pulls.get(name) ?? here);
    }
  });
  model.on('change:status', showStatus);
  showStatus();
  return {
    element,
    dispose: () => {
      unsubscribe();
      model.off('change:status', showStatus);
    }
  };
}

export default widget((model, live) =>
  model.get('kind') === 'pull' ? pullView(model, live) : new TableView(live)
);
