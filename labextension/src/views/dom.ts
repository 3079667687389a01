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

/** Create the root element of a view, with JupyterLab's keyboard shortcuts turned off. */
export function root(className: string, ...children: Node[]): HTMLElement {
  const attributes = { class: `a3s-power ${className}`, 'data-lm-suppress-shortcuts': 'true' };
  const element = h('div', attributes, ...children);
  // JupyterLab listens on the target of a key for `beforeinput` and prevents new lines in cells.
  element.addEventListener('beforeinput', event => event.stopPropagation(), { capture: true });
  return element;
}

export function button(
  text: string,
  onClick: () => void,
  attributes: Attributes = {}
): HTMLButtonElement {
  const element = h('button', { type: 'button', class: 'a3s-button', ...attributes }, text);
  element.addEventListener('click', onClick);
  return element;
}

/** Set the text if it differs, because a change clears selections and is read aloud. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Return a function that schedules `draw` for the next frame, at most once per frame. */
export function oncePerFrame(draw: () => void): () => void {
  let scheduled = false;
  return () => {
    if (!scheduled) {
      scheduled = true;
      requestAnimationFrame(() => {
        scheduled = false;
        draw();
      });
    }
  };
}

let count = 0;

/** Return an element id that is unique on the page. */
export function uniqueId(): string {
  count += 1;
  return `a3s-${count}-${Math.random().toString(36).slice(2, 8)}`;
}
