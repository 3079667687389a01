import assert from 'node:assert/strict';
import { test } from 'node:test';

import { deletionText } from '../../../lib/views/table/deletion.js';

test('the question says what is freed', () => {
  assert.equal(deletionText({ freed_bytes: 98_400_000 }), 'Frees 98.4 MB on disk.');
});

test('the question says what stays', () => {
  const kept_paths = ['/models/a.gguf', '/models/b.gguf', '/models/c.gguf'];
  assert.equal(
    deletionText({ freed_bytes: 0, kept_paths: kept_paths.slice(0, 1) }),
    'Frees nothing on disk. /models/a.gguf stays.'
  );
  assert.equal(
    deletionText({ freed_bytes: 0, kept_paths }),
    'Frees nothing on disk. /models/a.gguf and 2 more files stay.'
  );
  assert.equal(
    deletionText({ freed_bytes: 5_000_000, kept_paths: [], shared_with: ['b', 'c'] }),
    'Frees 5.0 MB on disk. Files shared with b, c stay.'
  );
});
