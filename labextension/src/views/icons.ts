/** The icons of the views: JupyterLab's in JupyterLab, and drawings of 24 by 24 elsewhere. */

const SVG = 'http://www.w3.org/2000/svg';

/** Paths of the icons. All are drawn filled, in the color of the text. */
const PATHS = {
  add: 'M19 13h-6v6h-2v-6H5v-2h6V5h2v6h6z',
  back: 'M20 11H7.8l5.6-5.6L12 4l-8 8 8 8 1.4-1.4L7.8 13H20z',
  bolt: 'M13 2 4 14h6l-1 8 9-12h-6z',
  cancel:
    'M18 7.4 16.6 6 12 10.6 7.4 6 6 7.4l4.6 4.6L6 16.6 7.4 18l4.6-4.6 4.6 4.6 1.4-1.4-4.6-4.6z',
  caretDown: 'M7 9.5h10l-5 5.5z',
  caretRight: 'M9.5 7v10l5.5-5z',
  chat: 'M4 3h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H8l-5 4V4a1 1 0 0 1 1-1zm2 4v2h12V7zm0 4v2h8v-2z',
  check: 'M9 16.2 4.8 12l-1.4 1.4L9 19 21 7l-1.4-1.4z',
  copy: 'M16 1H5a2 2 0 0 0-2 2v13h2V3h11zm3 4H9a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2zm0 16H9V7h10z',
  delete: 'M6 19a2 2 0 0 0 2 2h8a2 2 0 0 0 2-2V7H6zM19 4h-3.5l-1-1h-5l-1 1H5v2h14z',
  download: 'M19 9h-4V3H9v6H5l7 7zM5 18v2h14v-2z',
  edit: 'M3 17.2V21h3.8L17.8 9.9l-3.7-3.7zM20.7 7a1 1 0 0 0 0-1.4l-2.3-2.3a1 1 0 0 0-1.4 0l-1.8 1.8 3.7 3.7z',
  error: 'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1 15h-2v-2h2zm0-4h-2V7h2z',
  folder: 'M10 4H4a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V8a2 2 0 0 0-2-2h-8z',
  help: 'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1 17h-2v-2h2zm2-7.7-.9.9c-.7.7-1.1 1.3-1.1 2.8h-2v-.5c0-1.1.4-2.1 1.1-2.8l1.3-1.3A2 2 0 1 0 10 9H8a4 4 0 1 1 7.1 2.3z',
  history:
    'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16zm-1 2.5v6.1l4.8 2.9 1-1.7-3.8-2.3v-5z',
  insert: 'M5 3v2h6v8.2L8.4 10.6 7 12l5 5 5-5-1.4-1.4-2.6 2.6V5h6V3zM5 19h14v2H5z',
  load: 'M8 5v14l11-7z',
  lock: 'M18 8h-1V6A5 5 0 0 0 7 6v2H6a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2V10a2 2 0 0 0-2-2zm-9-2a3 3 0 0 1 6 0v2H9z',
  more: 'M12 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zm0 2a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm0 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z',
  newCell: 'M3 3h18v8h-2V5H5v4h8v2H3zm8 12v-3h2v3h3v2h-3v3h-2v-3H8v-2z',
  open: 'M5 4h6v2H6v12h12v-5h2v7H4V4zm9 0h6v6h-2V7.4l-7.3 7.3-1.4-1.4L16.6 6H14z',
  pause: 'M6 19h4V5H6zm8-14v14h4V5z',
  pin: 'M16 9V4h1V2H7v2h1v5a3 3 0 0 1-3 3v2h6v7l1 1 1-1v-7h6v-2a3 3 0 0 1-3-3z',
  replace: 'M7 4 2.5 8.5 7 13v-3.5h11v-2H7zm10 7v3.5H6v2h11V20l4.5-4.5z',
  retry: 'M17.6 6.4A8 8 0 1 0 19.7 14h-2.1A6 6 0 1 1 12 6c1.7 0 3.1.7 4.2 1.8L13 11h7V4z',
  search:
    'M15.5 14h-.8l-.3-.3a6.5 6.5 0 1 0-.7.7l.3.3v.8l5 5 1.5-1.5zm-6 0a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9z',
  unload: 'M5 17h14v2H5zm7-12L5.3 15h13.4z',
  unpin:
    'M16 9V4h1V2H7v2h1v5a3 3 0 0 1-3 3v2h6v7l1 1 1-1v-7h6v-2a3 3 0 0 1-3-3zm-6 3 .3-.6c.4-.7.7-1.5.7-2.4V4h2v5c0 .9.3 1.7.7 2.4l.3.6z'
} as const;

export type IconName = keyof typeof PATHS;

/** Returns the element of an icon, or null for the drawing of this module. */
export type IconFactory = (name: IconName) => Element | null;

let factory: IconFactory = () => null;

/** Use JupyterLab's icons in the views of this bundle. */
export function useIcons(icons: IconFactory): void {
  factory = icons;
}

/** Return a new element with an icon. It is hidden from screen readers; label the button instead. */
export function icon(name: IconName): HTMLElement {
  const element = document.createElement('span');
  element.className = 'a3s-icon';
  element.setAttribute('aria-hidden', 'true');
  element.append(factory(name) ?? draw(PATHS[name]));
  return element;
}

/** Return the drawing of an icon as text, for JupyterLab's icons. */
export function svgOf(name: IconName): string {
  const path = `<path class="jp-icon3" fill="#616161" d="${PATHS[name]}"/>`;
  return `<svg xmlns="${SVG}" viewBox="0 0 24 24" width="16" height="16">${path}</svg>`;
}

function draw(path: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('focusable', 'false');
  const shape = document.createElementNS(SVG, 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}
