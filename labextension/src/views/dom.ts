/** Helpers that create and update DOM elements. */

type Attributes = Readonly<Record<string, string | boolean | undefined>>;

/** Create an element. Attributes that are `true` become ''; `false` and `undefined` are omitted. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children);
  return element;
}

/** Create the root element of a view, in which JupyterLab's shortcuts for cells are turned off. */
export function root(className: string, ...children: Node[]): HTMLElement {
  const attributes = { class: `a3s-power ${className}`, 'data-lm-suppress-shortcuts': 'true' };
  const element = h('div', attributes, ...children);
  // JupyterLab listens on the target of a key for `beforeinput` and prevents new lines in cells.
  element.addEventListener('beforeinput', event => event.stopPropagation(), { capture: true });
  element.addEventListener('keydown', forwardShortcut);
  return element;
}

/** Let JupyterLab handle a shortcut of the whole page, such as the one that saves the notebook. */
function forwardShortcut(event: KeyboardEvent): void {
  const view = event.currentTarget as Element;
  const isInside = view.parentElement?.closest('.a3s-power'); // the outer view forwards it
  if ((event.ctrlKey || event.metaKey) && !isInside) {
    const isUnhandled = document.body.dispatchEvent(new KeyboardEvent('keydown', event));
    if (!isUnhandled) {
      event.preventDefault();
      keepFromCells(document.activeElement);
    }
  }
}

/** Milliseconds in which JupyterLab moves the focus after a shortcut. */
const MOVES = 200;

/**
 * Give the focus back to `field` if a shortcut moves it to cells, where letters are shortcuts.
 *
 * JupyterLab activates the notebook when a shortcut such as Ctrl+B closes a sidebar. A user who
 * goes on typing would delete cells.
 */
function keepFromCells(field: Element | null): void {
  if (!(field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement)) {
    return;
  }
  const end = new AbortController();
  const onFocus = ({ target }: FocusEvent) => {
    if (target instanceof Element && target.closest('.jp-Notebook.jp-mod-commandMode')) {
      field.focus();
    }
  };
  document.addEventListener('focusin', onFocus, { signal: end.signal });
  setTimeout(() => end.abort(), MOVES);
}

/**
 * Create a button.
 *
 * A double click is one click: the first may have turned the button into its opposite, or have put
 * another button in its place.
 */
export function button(
  text: string,
  onClick: () => void,
  attributes: Attributes = {}
): HTMLButtonElement {
  const element = h('button', { type: 'button', class: 'a3s-button', ...attributes }, text);
  element.addEventListener('click', ({ detail }) => {
    if (detail <= 1) {
      onClick(); // the keyboard has 0
    }
  });
  return element;
}

/** Set the text if it differs, because a change clears selections and is read aloud. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** A slow drawing is repeated after this many times the time it takes. */
const REST = 3;

/**
 * Return a function that schedules `draw` for the next frame, at most once per frame.
 *
 * A drawing that takes long is repeated less often, so that most of the time is left to the page.
 */
export function oncePerFrame(draw: () => void): () => void {
  let scheduled = false;
  let earliest = 0;
  const run = () => {
    const start = performance.now();
    scheduled = false;
    draw();
    earliest = start + (REST + 1) * (performance.now() - start);
  };
  return () => {
    if (!scheduled) {
      scheduled = true;
      const wait = earliest - performance.now();
      if (wait > 0) {
        setTimeout(() => requestAnimationFrame(run), wait);
      } else {
        requestAnimationFrame(run);
      }
    }
  };
}

let count = 0;

/** Return an element id that is unique on the page. */
export function uniqueId(): string {
  count += 1;
  return `a3s-${count}-${Math.random().toString(36).slice(2, 8)}`;
}
