/** Connect the views of anywidget modules to a server. */

import { type Comm, CommTransport } from '../api/commTransport.js';
import { pageTransport } from '../api/fetchTransport.js';
import { sharedStore, Store } from '../state/store.js';

/** The documented part of anywidget's model interface. */
export interface WidgetModel extends Comm {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, listener: (content: unknown) => void): void;
  off(event: string, listener: (content: unknown) => void): void;
}

export interface View {
  readonly element: HTMLElement;
  dispose(): void;
}

const transport = pageTransport(document);
const pageStore = transport === null ? null : sharedStore(() => new Store(transport, document));

/** Return the page's store if the kernel uses the same server, else one through the kernel. */
async function storeFor(model: WidgetModel): Promise<Store> {
  if (pageStore !== null && (await pageStore.instance()) === model.get('instance')) {
    return pageStore;
  }
  return new Store(new CommTransport(model), document);
}

type CreateView = (model: WidgetModel, store: Store) => View;

/**
 * Return an anywidget module.
 *
 * anywidget calls it once for each widget of a page, and the function it returns makes the views:
 * a widget that is displayed several times has one store.
 */
export function widget(createViews: () => CreateView): () => object {
  return () => {
    const createView = createViews();
    let store: Promise<Store> | null = null;
    return {
      async render({ model, el }: { model: WidgetModel; el: HTMLElement }): Promise<() => void> {
        store ??= storeFor(model);
        const view = createView(model, await store);
        el.append(view.element);
        return () => view.dispose();
      }
    };
  };
}
