import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileAttachments } from '../../../lib/lab/context/files.js';

const NOTEBOOK = {
  metadata: { kernelspec: { language: 'python' } },
  cells: [{ cell_type: 'code', source: 'a = 1', outputs: [], metadata: {}, execution_count: null }]
};

const FILES = {
  'a.py': { type: 'file', size: 8, content: 'a = 1\r\nb' },
  'p.jpg': { type: 'file', size: 9, mimetype: 'image/jpeg', content: 'aGk=\n' },
  'n.ipynb': { type: 'notebook', content: NOTEBOOK },
  folder: { type: 'directory' },
  'x.bin': { type: 'file', size: 4 },
  'zero.txt': { type: 'file', size: 4, content: 'a\0b' },
  'big.csv': { type: 'file', size: 5_000_000, content: '' }
};

/** The contents API, which refuses files that are no text. */
const contents = {
  get: async (path, { content }) => {
    if (content && FILES[path].content === undefined) {
      throw Object.assign(new Error('not UTF-8 encoded'), { response: { status: 400 } });
    }
    return { name: path, path, ...FILES[path] };
  }
};

const attach = (...paths) => fileAttachments(contents, paths, 1000);

test('text, images and notebooks are attached', async () => {
  const [text, image, notebook] = await attach('a.py', 'p.jpg', 'n.ipynb');
  assert.deepEqual([text.kind, text.language, text.text], ['file', 'python', 'a = 1\nb']);
  assert.deepEqual([image.kind, image.image], ['image', 'data:image/jpeg;base64,aGk=']);
  assert.match(notebook.text, /## Cell 1\n```python\na = 1\n```/);
});

test('other files are refused with a reason', async () => {
  await assert.rejects(
    attach('a.py', 'x.bin'),
    /x\.bin is not a text file, an image or a notebook/
  );
  await assert.rejects(attach('zero.txt'), /zero\.txt is not a text/);
  await assert.rejects(attach('folder'), /folder is a folder/);
  await assert.rejects(attach('big.csv'), /big\.csv has 5 MB\. Files of more than 2 MB/);
});
