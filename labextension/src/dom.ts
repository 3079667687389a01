/** Elements without a framework. */

type Attributes = Readonly<Record<string, string | boolean | undefined>>;

/** An element with attributes (`true` is an empty one, `false` none) and children. */
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

/** The outermost element of a view. The notebook's own shortcuts are not meant for what is typed
 * in it: Lumino leaves elements alone that say so. */
export function root(name: string, ...children: Node[]): HTMLElement {
  const attributes = { class: `a3s-power ${name}`, 'data-lm-suppress-shortcuts': 'true' };
  return h('div', attributes, ...children);
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

/** Set the text of an element only if it changes: screen readers and selections notice. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** `draw`, called at the next frame, once however often it was asked for. */
export function oncePerFrame(draw: () => void): () => void {
  let asked = false;
  return () => {
    if (!asked) {
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        draw();
      });
    }
  };
}

let count = 0;

/** An id that no other element of the page has. */
export function uniqueId(): string {
  count += 1;
  return `a3s-${count}-${Math.random().toString(36).slice(2, 8)}`;
}
