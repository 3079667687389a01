/** Links of answers: a click shows where a link leads, and another one opens it. */

import { button, h } from '../dom.js';
import { trans } from '../i18n.js';

/** Pixels between a link, what it leads to, and the edges of the page. */
const GAP = 6;

/** A URL in parts: its host, and what precedes and follows it. */
export interface Target {
  readonly url: string;
  readonly before: string;
  readonly host: string;
  readonly after: string;
  /** What one should know about the host; '' for nothing. */
  readonly note: string;
}

/** Return the parts of a URL as the browser reads it, in ASCII. */
export function targetOf(link: string): Target {
  const { href: url, protocol, hostname } = new URL(link);
  const host = protocol === 'mailto:' ? (url.split('?', 1)[0]?.split('@').at(-1) ?? '') : hostname;
  const start = url.indexOf(host, url.indexOf(protocol === 'mailto:' ? '@' : '//'));
  const [before, after] = [url.slice(0, start), url.slice(start + host.length)];
  return { url, before, host, after, note: noteOn(hostname) };
}

function noteOn(host: string): string {
  if (/(?:^|\.)xn--/.test(host)) {
    return trans.__('Some letters of this host are not Latin. They are written as xn--….');
  }
  return isLocal(host) ? trans.__('This is an address of your own computer or network.') : '';
}

function isLocal(host: string): boolean {
  return (
    /(?:^|\.)(?:localhost|local)\.?$/.test(host) ||
    /^(?:0|10|127|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))\.[\d.]+$/.test(host) ||
    /^\[(?:::|f[cde])/.test(host) ||
    (host !== '' && !/[.[]/.test(host))
  );
}

/** Let the links in an element show where they lead when they are activated. */
export function showTargets(element: HTMLElement, copy: (text: string) => Promise<void>): void {
  const show = (event: Event) => {
    const link = event.target instanceof Element ? event.target.closest('a[data-url]') : null;
    if (link instanceof HTMLElement && link.dataset['url'] !== undefined) {
      event.preventDefault();
      showTarget(link, targetOf(link.dataset['url']), copy);
    }
  };
  element.addEventListener('click', show);
  element.addEventListener('keydown', event => {
    if (event.key === 'Enter') {
      show(event);
    }
  });
}

function showTarget(
  link: HTMLElement,
  target: Target,
  copy: (text: string) => Promise<void>
): void {
  const { url, before, host, after, note } = target;
  const address = h('div', { class: 'a3s-target-url', dir: 'ltr' }, before);
  address.append(h('strong', {}, host), after);
  const warning = h('div', { class: 'a3s-quiet', hidden: note === '' }, note);
  const attributes = {
    class: 'a3s-button',
    href: url,
    target: '_blank',
    rel: 'noopener noreferrer'
  };
  const open = h('a', attributes, trans.__('Open'));
  const status = h('span', { class: 'a3s-quiet', role: 'status' });
  const copyUrl = button(trans.__('Copy link'), () => {
    copy(url).then(
      () => status.replaceChildren(trans.__('Copied')),
      () => status.replaceChildren(trans.__('The page may not use the clipboard.'))
    );
  });
  const popover = h(
    'div',
    { class: 'a3s-target', popover: 'auto', role: 'dialog', 'aria-label': trans.__('Link') },
    address,
    warning,
    h('div', { class: 'a3s-target-buttons' }, open, copyUrl, status)
  );
  const close = () => popover.hidePopover();
  open.addEventListener('click', close);
  popover.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !popover.contains(relatedTarget)) {
      close();
    }
  });
  popover.addEventListener('toggle', ({ newState }) => {
    if (newState === 'closed') {
      popover.remove();
    }
  });
  (link.closest('.a3s-power') ?? document.body).append(popover);
  popover.showPopover();
  place(popover, link);
  open.focus();
}

/** Place an element below another one, or above it if there is no room. */
function place(element: HTMLElement, beside: HTMLElement): void {
  const { left, top, bottom } = beside.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  const isBelow = bottom + GAP + height <= innerHeight;
  element.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
  element.style.top = `${Math.max(GAP, isBelow ? bottom + GAP : top - height - GAP)}px`;
}
