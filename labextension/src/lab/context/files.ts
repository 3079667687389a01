/** Files of the file browser as attachments: text, images, and the cells of notebooks. */

import type { INotebookContent } from '@jupyterlab/nbformat';
import type { Contents } from '@jupyterlab/services';

import type { Attachment } from '../../views/chat/attachment.js';
import { trans } from '../../views/i18n.js';
import { cutLines, estimateTokens, share } from './cutting.js';
import { notebookText } from './notebookText.js';
import { IMAGE_TYPES } from './outputs.js';

/** Largest files, in bytes. More text fits into no context, and a page cannot hold much more. */
const MAX_TEXT = 2_000_000;
const MAX_IMAGE = 20_000_000;

/** Languages of endings for which Jupyter Server knows no type. */
const ENDINGS: Readonly<Record<string, string>> = {
  c: 'c',
  cpp: 'cpp',
  css: 'css',
  csv: 'csv',
  go: 'go',
  html: 'html',
  java: 'java',
  jl: 'julia',
  js: 'javascript',
  json: 'json',
  md: 'markdown',
  py: 'python',
  r: 'r',
  rs: 'rust',
  sh: 'bash',
  sql: 'sql',
  toml: 'toml',
  ts: 'typescript',
  xml: 'xml',
  yaml: 'yaml',
  yml: 'yaml'
};

/** Return files as attachments of at most about `tokens` tokens in all. */
export async function fileAttachments(
  contents: Contents.IManager,
  paths: readonly string[],
  tokens: number
): Promise<Attachment[]> {
  const files = await Promise.all(paths.map(path => read(contents, path)));
  const shares = share(
    tokens,
    files.map(file => estimateTokens(file.fit(Infinity).text))
  );
  return files.map((file, index) => file.fit(shares[index] ?? 0));
}

/** A file that has been read. */
interface ReadFile {
  /** Return what is attached in at most about `tokens` tokens. */
  fit(tokens: number): Attachment;
}

async function read(contents: Contents.IManager, path: string): Promise<ReadFile> {
  const { type, name, mimetype, size } = await contents.get(path, { content: false });
  if (type === 'directory') {
    throw new Error(trans.__('%1 is a folder. Attach the files in it.', name));
  }
  if (type === 'notebook') {
    const model = await contents.get(path, { type: 'notebook', content: true });
    const notebook = model.content as INotebookContent;
    return { fit: tokens => notebookAttachment(name, notebook, tokens) };
  }
  const image = imageType(name, mimetype);
  checkSize(name, size ?? 0, image === null ? MAX_TEXT : MAX_IMAGE);
  if (image !== null) {
    const model = await contents.get(path, { type: 'file', format: 'base64', content: true });
    const data = String(model.content).replace(/\s/g, '');
    const url = `data:${image};base64,${data}`;
    const found = {
      kind: 'image',
      title: name,
      text: '',
      language: '',
      image: url,
      cut: ''
    } as const;
    return { fit: () => found };
  }
  const text = await readText(contents, path, name);
  const language = ENDINGS[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? '';
  return {
    fit: tokens => ({ kind: 'file', title: name, language, ...cutLines(text, tokens, 'start') })
  };
}

/** Return the text of a file. Jupyter Server refuses to read others as text. */
async function readText(contents: Contents.IManager, path: string, name: string): Promise<string> {
  const refusal = trans.__(
    '%1 is not a text file, an image or a notebook, so it cannot be attached.',
    name
  );
  let content: unknown;
  try {
    const model = await contents.get(path, { type: 'file', format: 'text', content: true });
    content = model.content;
  } catch (error) {
    const { response } = error as { response?: Response };
    throw response?.status === 400 ? new Error(refusal, { cause: error }) : error;
  }
  if (typeof content !== 'string' || content.includes('\0')) {
    throw new Error(refusal);
  }
  return content.replace(/\r\n/g, '\n');
}

/** Return the type of an image that models can see, or null. */
function imageType(name: string, mimetype: string | undefined): string | null {
  const [, ending = ''] = /\.(png|jpe?g|webp)$/i.exec(name) ?? [];
  const byName = ending === '' ? null : `image/${ending.toLowerCase().replace('jpg', 'jpeg')}`;
  return IMAGE_TYPES.includes(mimetype ?? '') ? (mimetype ?? null) : byName;
}

function checkSize(name: string, size: number, most: number): void {
  if (size > most) {
    throw new Error(
      trans.__(
        '%1 has %2 MB. Files of more than %3 MB cannot be attached.',
        name,
        Math.ceil(size / 1e6),
        most / 1e6
      )
    );
  }
}

function notebookAttachment(title: string, notebook: INotebookContent, tokens: number): Attachment {
  const { cells, metadata } = notebook;
  const language = metadata.language_info?.name ?? metadata.kernelspec?.['language'];
  const placed = cells.map((cell, index) => ({
    cell,
    number: index + 1,
    language: typeof language === 'string' ? language : ''
  }));
  return { kind: 'file', title, language: 'markdown', ...notebookText(placed, 0, tokens) };
}
