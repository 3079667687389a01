import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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

// As in tests/unit/display/test_markup.py.
const path = new URL('../../../../tests/support/hostile_markdown.json', import.meta.url);
const ATTACKS = JSON.parse(readFileSync(path, 'utf8'));

/** Every element and attribute that the renderer may produce. */
const TAG =
  /<\/?(?:a|blockquote|br|code|em|h[1-6]|hr|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul)(?: (?:class="language-[\w+#.-]+"|dir="auto"|class="a3s-link"|data-url="[^"<>]*"|href="[^"<>]*"|rel="noopener noreferrer"|role="link"|start="\d+"|style="text-align:(?:left|right|center)"|tabindex="0"|target="_blank"))*>/g;
const URL_OF_LINK = / (?:href|data-url)="([^"]*)"/g;

function assertHarmless(html) {
  const rest = html.replaceAll(TAG, '\n');
  assert.doesNotMatch(rest, /[<>]/);
  const outside = html.replaceAll(/<code[^>]*>[^<]*<\/code>/g, '').replaceAll(TAG, '\n');
  assert.doesNotMatch(outside, /[$\\](?!\n)/); // not math
  assert.doesNotMatch(rest, /[\u202a-\u202e\u2066-\u2069]/);
  for (const [, url] of html.matchAll(URL_OF_LINK)) {
    assert.match(url, /^(?:https?:\/\/[^/@\\]+(?:[/?#]|$)|mailto:)/i);
  }
}

/** The HTML of all blocks. Code is text, which the page highlights. */
const htmlOf = text =>
  toBlocks(text)
    .map(({ html }) => html)
    .join('');

for (const attack of ATTACKS) {
  test(`harmless: ${JSON.stringify(attack)}`, () => {
    for (const text of [attack, `a ${attack} b`, `- ${attack}`, `**${attack}**`]) {
      for (let end = text.length; end >= 0; end -= text === attack ? 1 : end + 1) {
        assertHarmless(toHtml(text.slice(0, end)));
        assertHarmless(htmlOf(text.slice(0, end)));
      }
    }
  });
}

test('saved links show their target, and only that is the link', () => {
  const link = url => `<a href="${url}" target="_blank" rel="noopener noreferrer">${url}</a>`;
  const url = 'https://a.example/b';
  assert.equal(toHtml(`![x](${url})`), `<p dir="auto">!x (${link(url)})</p>\n`);
  assert.equal(toHtml(`![](${url}) <${url}>`), `<p dir="auto">!${link(url)} ${link(url)}</p>\n`);
  assert.equal(
    toHtml(`[https://c.example](${url})`),
    `<p dir="auto">https://c.example (${link(url)})</p>\n`
  );
});

test('links in a chat have no address that a click could open', () => {
  assert.equal(
    htmlOf('[x](https://а.example/ "title")'),
    '<p dir="auto"><a class="a3s-link" role="link" tabindex="0" data-url="https://xn--80a.example/">x</a></p>\n'
  );
});

test('characters that reorder code are written out', () => {
  assert.equal(htmlOf('`a\u202eb`'), '<p dir="auto"><code>a\\u202eb</code></p>\n');
  assert.equal(toBlocks('```\na\u202eb\n```')[0].code.text, 'a\\u202eb\n');
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
  const { code, line } = blocks[5];
  assert.deepEqual(code, { text: 'x = 1\n\ny = 2\n', language: 'python' });
  assert.ok(text.split('\n').slice(line).join('\n').startsWith('```python'));
  assert.deepEqual(toBlocks(`${text}\nAnd more`).slice(0, 8), blocks);
  assert.deepEqual(toBlocks(''), []);
});
