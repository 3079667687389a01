/** The widgets of notebooks: an anywidget module for all of them. */

import { ChatView } from './chatView.js';
import type { Message } from './chat.js';
import { root } from './dom.js';
import { type Comm, KernelTransport } from './kernelTransport.js';
import { Live, shared } from './live.js';
import { pageTransport } from './pageTransport.js';
import { PullView } from './pullView.js';
import { TableView } from './tableView.js';
import type { Pull } from './state.js';

interface WidgetModel extends Comm {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, listener: (content: unknown) => void): void;
  off(event: string, listener: (content: unknown) => void): void;
}

interface View {
  readonly element: HTMLElement;
  dispose(): void;
}

const page = pageTransport(document);
const ofPage = page === null ? null : shared(() => new Live(page, document));

/** The page's own server, if it is the one that the kernel uses; else the kernel is asked. */
async function liveFor(model: WidgetModel): Promise<Live> {
  if (ofPage !== null && (await ofPage.instance()) === model.get('instance')) {
    return ofPage;
  }
  return new Live(new KernelTransport(model), document);
}

function viewOf(model: WidgetModel, live: Live): View {
  switch (model.get('kind')) {
    case 'pull':
      return pullView(model, live);
    case 'chat':
      return chatView(model, live);
    default:
      return new TableView(live);
  }
}

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

function chatView(model: WidgetModel, live: Live): View {
  const start = {
    model: String(model.get('model')),
    messages: model.get('messages') as readonly Message[]
  };
  const view = new ChatView(live, start, conversation => {
    model.set('model', conversation.model);
    model.set('messages', conversation.messages);
    model.save_changes();
  });
  const showMessages = () => view.replace(model.get('messages') as readonly Message[]);
  model.on('change:messages', showMessages);
  return {
    element: view.element,
    dispose: () => {
      model.off('change:messages', showMessages);
      view.dispose();
    }
  };
}

async function render({ model, el }: { model: WidgetModel; el: HTMLElement }): Promise<() => void> {
  const view = viewOf(model, await liveFor(model));
  el.append(view.element);
  return () => view.dispose();
}

export default { render };
