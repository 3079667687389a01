import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toBlocks, toHtml } from '../../../lib/views/chat/markdown.js';

test('untrusted Markdown produces no raw HTML, images or unsafe links', () => {
  assert.doesNotMatch(
    toHtml('<img src=x onerror=alert(1)><script>alert(1)</script>'),
    /<(img|script)/
  );
  assert.doesNotMatch(toHtml('![x](http://evil.example/?secret)'), /<img/);
  assert.doesNotMatch(toHtml('[x](javascript:alert(1))'), /href/);
  assert.doesNotMatch(toHtml('[x](data:text/html;base64,AAAA)'), /href/);
});

for (const url of [
  'JaVaScRiPt:alert(1)',
  '&#106;avascript:alert(1)',
  'java&Tab;script:alert(1)',
  'vbscript:x',
  'file:///etc/passwd',
  'data:image/png;base64,iVBORw0KGgo=',
  '//evil.example/x',
  '/logout'
]) {
  test(`a link to ${url} is shown as text`, () => {
    const html = toHtml(`[x](${url}) ![x](${url}) [x][r] <${url}>\n\n[r]: ${url}`);
    assert.doesNotMatch(html, /<(a|img)/);
  });
}

test('an image is a link with its text or URL', () => {
  assert.match(toHtml('![x](https://a.example/b)'), /^<p>!<a href="[^"]*" [^>]*>x<\/a><\/p>/);
  assert.match(toHtml('![](https://a.example/b)'), />https:\/\/a.example\/b<\/a>/);
});

test('links open in a new tab without a referrer', () => {
  const html = toHtml('[docs](https://example.org)');
  assert.match(html, /href="https:\/\/example.org"/);
  assert.match(html, /target="_blank"/);
  assert.match(html, /rel="noopener noreferrer"/);
});

test('lists, code and emphasis are rendered', () => {
  assert.match(
    toHtml('- a\n- **b**\n\n```\nx < 1\n```'),
    /<li>[\s\S]*<strong>b<\/strong>[\s\S]*x &lt; 1/
  );
});

test('the blocks are the whole, and a longer text has the same blocks before its last', () => {
  const text =
    '# Title\n\nA *paragraph*\nof two lines.\n\n- one\n- two\n\n  more\n\n> quote\n\n---\n\n' +
    '```python\nx = 1\n\ny = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[link][r] <b>\n\n[r]: https://x.org\n';
  const blocks = toBlocks(text);
  assert.equal(blocks.length, 8);
  assert.equal(blocks.join(''), toHtml(text));
  assert.deepEqual(toBlocks(`${text}\nAnd more`).slice(0, 8), blocks);
  assert.deepEqual(toBlocks(''), []);
});
