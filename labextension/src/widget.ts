/** What the widgets of notebooks have in common: each module of anywidget is made of one view. */

import { type Comm, KernelTransport } from './kernelTransport.js';
import { Live, shared } from './live.js';
import { pageTransport } from './pageTransport.js';

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

const page = pageTransport(document);
const ofPage = page === null ? null : shared(() => new Live(page, document));

/** The page's own server, if it is the one that the kernel uses; else the kernel is asked. */
async function liveFor(model: WidgetModel): Promise<Live> {
  if (ofPage !== null && (await ofPage.instance()) === model.get('instance')) {
    return ofPage;
  }
  return new Live(new KernelTransport(model), document);
}

/** An anywidget module: `viewOf` makes the view of a widget. */
export function widget(viewOf: (model: WidgetModel, live: Live) => View): object {
  return {
    async render({ model, el }: { model: WidgetModel; el: HTMLElement }): Promise<() => void> {
      const view = viewOf(model, await liveFor(model));
      el.append(view.element);
      return () => view.dispose();
    }
  };
}
