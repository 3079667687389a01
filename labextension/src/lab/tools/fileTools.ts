/** Tools that read files below the root of the file browser. */

import type { Contents } from '@jupyterlab/services';

import type { ChatTool } from '../../views/chat/tools.js';
import { readablePath } from './paths.js';
import { count, text, tool } from './schema.js';

/** Bytes of a file that is read. */
const MAX_FILE = 5_000_000;

/** Most entries of a folder. */
const MAX_ENTRIES = 200;

export function fileTools(contents: Contents.IManager): ChatTool[] {
  return [listFolder(contents), readFile(contents)];
}

function listFolder(contents: Contents.IManager): ChatTool {
  return tool('list_folder', {
    description: 'List the files of a folder.',
    isReadOnly: true,
    properties: { path: { type: 'string', description: 'Path from the root. Default: the root.' } },
    prepare: parameters => {
      const path = readablePath(text(parameters, 'path') ?? '');
      return {
        summary: `List the folder ${path === '' ? '/' : JSON.stringify(path)}`,
        scope: '',
        run: async () => {
          const folder = await found(contents, path, { content: true });
          if (folder.type !== 'directory') {
            throw new Error(`${path} is not a folder.`);
          }
          const entries = folder.content as readonly Contents.IModel[];
          const names = entries.map(entryText).sort();
          const more = names.length - MAX_ENTRIES;
          const rest = more > 0 ? [`[${more} more]`] : [];
          return [...names.slice(0, MAX_ENTRIES), ...rest].join('\n') || 'The folder is empty.';
        }
      };
    }
  });
}

function readFile(contents: Contents.IManager): ChatTool {
  return tool('read_file', {
    description: 'Read lines of a text file.',
    isReadOnly: true,
    properties: {
      path: { type: 'string', description: 'Path from the root.' },
      first_line: { type: 'integer', description: 'Default: 1.' },
      line_count: { type: 'integer', description: 'Default: 200.' }
    },
    required: ['path'],
    prepare: parameters => {
      const path = readablePath(text(parameters, 'path') ?? '');
      const first = count(parameters, 'first_line', 1, 1);
      const lines = count(parameters, 'line_count', 200, 1);
      return {
        summary: `Read the file ${JSON.stringify(path)}, lines ${first} to ${first + lines - 1}`,
        scope: '',
        run: async () => {
          const { size, type } = await found(contents, path, { content: false });
          if (type === 'directory') {
            throw new Error(`${path} is a folder.`);
          }
          if ((size ?? 0) > MAX_FILE) {
            throw new Error(`${path} has more than ${MAX_FILE} bytes.`);
          }
          const file = await found(contents, path, { type: 'file', format: 'text', content: true });
          return linesOf(String(file.content), first, lines);
        }
      };
    }
  });
}

/** Return a file or a folder, or throw an error that the model understands. */
async function found(
  contents: Contents.IManager,
  path: string,
  options: Contents.IFetchOptions
): Promise<Contents.IModel> {
  try {
    return await contents.get(path, options);
  } catch (error) {
    const { response } = error as { response?: Response };
    throw response?.status === 404 ? new Error(`${path} does not exist.`) : error;
  }
}

function entryText({ name, type, size }: Contents.IModel): string {
  return type === 'directory' ? `${name}/` : `${name} (${size ?? '?'} bytes)`;
}

function linesOf(whole: string, first: number, count: number): string {
  const lines = whole.split('\n');
  const read = lines.slice(first - 1, first - 1 + count);
  if (read.length === 0) {
    return `The file has ${lines.length} lines.`;
  }
  const rest = lines.length - (first - 1) - read.length;
  return read.join('\n') + (rest > 0 ? `\n[${rest} more lines]` : '');
}
