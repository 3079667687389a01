/** The outputs of a cell as text and images. */

import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import type { IError, IMimeBundle, IOutput } from '@jupyterlab/nbformat';

import { trans } from '../../views/i18n.js';
import { htmlText } from './html.js';
import { withoutAnsi } from './traceback.js';

export interface OutputParts {
  /** Texts and tables, in their order. */
  readonly text: string;
  /** Data URLs of images that models can see. */
  readonly images: readonly string[];
  /** The error that the cell raised, or null. */
  readonly error: IError | null;
  /** What cannot be sent, as a sentence; '' if everything can. */
  readonly cut: string;
}

/** The images that the server decodes. */
export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp'];

/** Texts of objects without a text, such as `<IPython.core.display.HTML object>`. */
const NO_TEXT = /^<[^\n]*>$/;

/** Return the types of the outputs of a cell, without reading the outputs. */
export function outputTypes(cell: ICellModel): string[] {
  const { outputs } = cell as Partial<ICodeCellModel>;
  return Array.from({ length: outputs?.length ?? 0 }, (_, index) => outputs?.get(index).type ?? '');
}

/** Divide outputs into what can be sent to a model. */
export function outputParts(outputs: readonly IOutput[]): OutputParts {
  const texts: string[] = [];
  const images: string[] = [];
  let error: IError | null = null;
  let drawings = 0;
  for (const output of outputs) {
    if (output.output_type === 'error') {
      error = output as IError;
    } else if (output.output_type === 'stream') {
      texts.push(asPrinted(joined(output.text)));
    } else {
      const data = (output.data ?? {}) as IMimeBundle;
      const image = imageIn(data);
      if (image !== null) {
        images.push(image);
      } else {
        const text = textIn(data);
        drawings += text === '' && 'image/svg+xml' in data ? 1 : 0;
        texts.push(text === '' ? '' : `${text}\n`);
      }
    }
  }
  const cut = trans._n(
    'An SVG image was left out, because models see only PNG, JPEG and WebP images.',
    '%1 SVG images were left out, because models see only PNG, JPEG and WebP images.',
    drawings
  );
  return { text: texts.join('').trimEnd(), images, error, cut: drawings === 0 ? '' : cut };
}

/** Return a stream as a terminal shows it: a line that was written again is there once. */
export function asPrinted(text: string): string {
  const lines = withoutAnsi(text).replace(/\r+\n/g, '\n').split('\n');
  return lines.map(line => line.slice(line.trimEnd().lastIndexOf('\r') + 1).trimEnd()).join('\n');
}

function imageIn(data: IMimeBundle): string | null {
  const type = IMAGE_TYPES.find(name => name in data);
  return type === undefined ? null : `data:${type};base64,${joined(data[type]).replace(/\s/g, '')}`;
}

/** Return the form of an output that says most as text; '' if it has none. */
function textIn(data: IMimeBundle): string {
  const plain = withoutAnsi(joined(data['text/plain'])).trimEnd();
  if (plain !== '' && !NO_TEXT.test(plain)) {
    return plain;
  }
  for (const type of ['text/markdown', 'text/latex']) {
    if (type in data) {
      return joined(data[type]).trimEnd();
    }
  }
  if ('application/json' in data) {
    return JSON.stringify(data['application/json']);
  }
  if ('text/html' in data) {
    return htmlText(joined(data['text/html']));
  }
  return 'image/svg+xml' in data ? '' : plain;
}

/** Return a text of the notebook format, which may be a list of lines. */
export function joined(text: unknown): string {
  if (Array.isArray(text)) {
    return text.map(String).join('');
  }
  return typeof text === 'string' ? text : '';
}
