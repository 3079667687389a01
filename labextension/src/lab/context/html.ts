/** HTML of outputs as text. */

/** Elements that begin a new line. */
const BLOCKS =
  'p, div, h1, h2, h3, h4, h5, h6, li, pre, tr, table, br, hr, section, article, dt, dd';

/** Return the text of HTML, with the rows of tables as lines. Nothing in it is run or loaded. */
export function htmlText(html: string): string {
  const { body } = new DOMParser().parseFromString(html, 'text/html');
  for (const element of body.querySelectorAll('script, style, template, noscript')) {
    element.remove();
  }
  for (const cell of body.querySelectorAll('td, th')) {
    cell.replaceChildren(` ${cell.textContent.replace(/\s+/g, ' ').trim()} |`);
  }
  for (const block of body.querySelectorAll(BLOCKS)) {
    block.before('\n');
    block.after('\n');
  }
  return body.textContent
    .split('\n')
    .map(line => line.replace(/[ \t]+/g, ' ').trim())
    .filter(line => line !== '')
    .join('\n');
}
