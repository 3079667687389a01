import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { savedChat } from '../../../lib/views/saved/chat.js';
import { savedModels } from '../../../lib/views/saved/models.js';
import { savedPull } from '../../../lib/views/saved/pull.js';

function render({ models, name, pull, model, messages, answer }) {
  if (models !== undefined) {
    return savedModels(models);
  }
  return name === undefined
    ? savedChat(model, messages, answer)
    : savedPull(name, pull ?? undefined);
}

// The same cases as in tests/unit/widgets/test_fallback.py.
const path = new URL('../../../../tests/support/saved_view_cases.json', import.meta.url);
for (const expected of JSON.parse(readFileSync(path, 'utf8'))) {
  test(`saved view: ${expected.case}`, () => {
    const view = render(expected);
    assert.equal(view['text/html'], expected.html);
    assert.equal(view['text/plain'], expected.text);
  });
}

// As in tests/support/hostile_text.py.
const NAMES = [
  `<img src=x onerror="window.attacked = 'name'">`,
  `</td></table><script>window.attacked = 'cell'</script>`,
  `"><svg onload="window.attacked = 'attribute'">`,
  'a&lt;b&amp;c',
  '$\\href{javascript:1}{x}$',
  'שלום/مرحبا:Q4',
  '\u202egnp.exe',
  '🦙/👩‍💻:Q4_K_M',
  '\u001b]0;title\u0007name\u001b[2J',
  '[a](javascript:1) ![b](https://leak.example/b.png)',
  'long'.repeat(300)
];

/** Elements and attributes of ours, and of Markdown. */
const TAG =
  /<\/?(?:a|blockquote|br|bdi|code|details|div|em|p|pre|progress|small|span|strong|summary|table|tbody|td|th|thead|tr)(?: (?:aria-label|dir|href|max|rel|scope|style|target|title|value)="[^"<>]*")*>/g;

function assertHarmless(view, name) {
  const rest = view['text/html'].replaceAll(TAG, '\n');
  assert.doesNotMatch(rest, /[<>]/, name);
  const links = [...view['text/html'].matchAll(/href="([^"]*)"/g)].map(([, link]) => link);
  assert.ok(links.every(link => link.startsWith('https://')));
  assert.doesNotMatch(rest, /\$\\/); // not math
  const [html, text] = Object.values(view);
  assert.doesNotMatch(html + text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
}

test('hostile names, reasons and messages are text', () => {
  for (const name of NAMES) {
    const model = { id: name, state: 'failed', format: name, parameters: { quantization: name } };
    assertHarmless(savedModels([model]), name);
    const pull = { name, status: 'failed', note: name, error: { message: name } };
    assertHarmless(savedPull(name, pull), name);
    assertHarmless(savedPull(name, undefined), name);
    const call = { function: { name, arguments: name } };
    for (const role of ['user', 'assistant', 'tool', name]) {
      const content = [
        { type: 'text', text: name },
        { type: 'image_url', image_url: { url: name } }
      ];
      const attachments = [0, 1].map(part => ({ kind: 'file', title: name, cut: name, part }));
      const plain = { role, content: name, reasoning_content: name, tool_calls: [call] };
      const message = { role, content, attachments };
      const answer = { content: name, reasoning_content: name, page: name, beat: 1 };
      assertHarmless(savedChat(name, [plain, message], answer), name);
    }
  }
});
