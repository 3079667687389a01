import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fittingSize, isSafeImage } from '../../../lib/views/chat/images.js';
import { imageRefusal } from '../../../lib/views/chat/models.js';

test('only images in the page are shown', () => {
  assert.ok(isSafeImage('data:image/png;base64,iVBORw0KGgo='));
  for (const url of [
    'https://example.org/a.png',
    'data:image/svg+xml;base64,AA==',
    'data:text/html;base64,AA==',
    'data:image/png;base64,AA=="><script>',
    '//example.org/a.png',
    'blob:x',
    ''
  ]) {
    assert.ok(!isSafeImage(url), url);
  }
});

test('a huge image is made smaller and keeps its form', () => {
  assert.deepEqual(fittingSize(800, 600), { width: 800, height: 600 });
  assert.deepEqual(fittingSize(8192, 4096), { width: 2048, height: 1024 });
  assert.deepEqual(fittingSize(1, 100_000), { width: 1, height: 2048 });
});

test('images are refused for a model that does not see, with one that does', () => {
  const models = new Map(
    [
      { id: 'text', capabilities: ['chat'] },
      { id: 'far', capabilities: ['chat'], format: 'remote' }
    ].map(model => [model.id, model])
  );
  assert.match(imageRefusal(models, 'text'), /text does not see images, and no model/);
  assert.equal(imageRefusal(models, 'far'), '');
  models.set('eyes', { id: 'eyes', capabilities: ['chat', 'vision'] });
  assert.match(imageRefusal(models, 'text'), /Choose eyes/);
  assert.equal(imageRefusal(models, 'eyes'), '');
});
