/** The models in a saved notebook, like `widgets/fallback.py` in Python. */

import type { Model } from '../../api/types.js';
import { requestsText } from '../activity.js';
import { formatBytes, formatCount } from '../format.js';
import { escape, savedView } from './markup.js';
import type { SavedView } from './savedView.js';

const EMPTY = 'No models yet. %power pull lists models to begin with.';
const HEADERS = ['Name', 'Format', 'Disk', 'Parameters', 'State', 'Memory'];
const NUMBERS = ['Disk', 'Parameters', 'Memory'];

/** Of each column: texts begin on the left, numbers end on the right, in any front end. */
const STYLES = HEADERS.map(
  header => `style="text-align: ${NUMBERS.includes(header) ? 'right' : 'left'}"`
);

/** Return the HTML and text of a table of models. */
export function savedModels(models: Iterable<Model>): SavedView {
  const rows = [...models].sort((a, b) => compare(a.id, b.id)).map(rowOf);
  if (rows.length === 0) {
    return savedView(`<p>${EMPTY}</p>`, EMPTY);
  }
  const head = HEADERS.map((title, i) => `<th scope="col" ${STYLES[i]}>${title}</th>`).join('');
  const body = rows.map(row => `<tr>${cells(row)}</tr>`).join('');
  return savedView(
    `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`,
    aligned([HEADERS, ...rows])
  );
}

function rowOf(model: Model): string[] {
  const { format, parameters, size_bytes, memory_bytes } = model;
  return [
    model.id,
    [format, parameters?.quantization].filter(Boolean).join(' '),
    size_bytes ? formatBytes(size_bytes) : '',
    formatCount(parameters?.parameter_count),
    stateOf(model),
    memory_bytes === undefined ? '' : formatBytes(memory_bytes)
  ];
}

/** Return the state without times, which would be wrong when the notebook is opened. */
function stateOf(model: Model): string {
  const requests = requestsText(model);
  if (model.state === 'busy' && requests) {
    return requests;
  }
  if (model.state !== 'loading') {
    return model.state;
  }
  const percent = model.progress === undefined ? '' : ` ${Math.round(model.progress * 100)}%`;
  return [`${model.phase ?? 'loading'}${percent}`, requests].filter(Boolean).join(', ');
}

function cells([first = '', ...rest]: readonly string[]): string {
  const others = rest.map((cell, i) => `<td ${STYLES[i + 1]}>${escape(cell)}</td>`).join('');
  return `<th dir="auto" scope="row" ${STYLES[0]}>${escape(first)}</th>${others}`;
}

/** Return rows of cells as lines of text with aligned columns. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = HEADERS.map((_, i) => Math.max(...rows.map(row => lengthOf(row[i] ?? ''))));
  return rows
    .map(row => row.map((cell, i) => padded(cell, widths[i] ?? 0, HEADERS[i] ?? '')))
    .map(row => row.join('  ').trimEnd())
    .join('\n');
}

function padded(cell: string, width: number, header: string): string {
  const space = ' '.repeat(width - lengthOf(cell));
  return NUMBERS.includes(header) ? space + cell : cell + space;
}

function lengthOf(text: string): number {
  return Array.from(text).length; // in code points, as in Python
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
