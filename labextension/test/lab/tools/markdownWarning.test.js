import assert from 'node:assert/strict';
import { test } from 'node:test';

import { markdownWarning } from '../../../lib/lab/tools/markdownWarning.js';

test('Markdown that may load something when it is rendered has a warning', () => {
  for (const markdown of [
    '![](http://a.b/c)',
    '![x][y]\n\n[y]: //a.b',
    '<IMG src=x>',
    '<div style="background: url(x)">',
    '```Mermaid\ngraph LR\n```'
  ]) {
    assert.ok(markdownWarning(markdown).warning, markdown);
  }
  for (const markdown of ['# Title', 'a < b, 1 <2', '[link](http://a.b)', '`x`']) {
    assert.deepEqual(markdownWarning(markdown), {}, markdown);
  }
});
