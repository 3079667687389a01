/** Links in messages of the server, such as to the page where one requests access. */

import { h } from '../dom.js';

const ADDRESS = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;

/** Split a text at its web addresses, which have odd indices in the result. */
export function splitAtAddresses(text: string): string[] {
  const parts: string[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    parts.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

/** Return the nodes of a text in which web addresses are links. */
export function linked(text: string): (Node | string)[] {
  return splitAtAddresses(text).map((part, i) =>
    i % 2 === 0
      ? part
      : h(
          'a',
          { href: part, target: '_blank', rel: 'noopener noreferrer', class: 'a3s-link' },
          part
        )
  );
}
