/**
 * Let the HTML and text of an output follow what its widget shows.
 *
 * A widget puts a function on its root element, which JupyterLab's renderer of the output calls when
 * the notebook is saved, and announces changes that are worth saving. Both are in different bundles,
 * so they only share the names in this module.
 */

/** HTML and text of an output, by MIME type. */
export interface SavedView {
  readonly 'text/html': string;
  readonly 'text/plain': string;
}

/** Name of the event that bubbles from the root element of a widget after a change. */
export const CHANGED = 'a3s-power-saved-view-changed';

interface Saved extends HTMLElement {
  a3sPowerSavedView?: () => SavedView | null;
}

/** Use `render` for the output of `element`. It returns null while the state is not known. */
export function offerSavedView(element: HTMLElement, render: () => SavedView | null): void {
  (element as Saved).a3sPowerSavedView = render;
}

/** Announce that the output should be saved with the notebook. */
export function announceChange(element: HTMLElement): void {
  element.dispatchEvent(new Event(CHANGED, { bubbles: true }));
}

/** Return what the widget in `node` shows; null if there is none. */
export function savedViewIn(node: HTMLElement): SavedView | null {
  const root = node.querySelector<Saved>('.a3s-power');
  return root?.a3sPowerSavedView?.() ?? null;
}
