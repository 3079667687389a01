import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Highlighter, languageTitle } from '../../../lib/views/chat/highlight.js';

const textOf = html =>
  html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#x27;', "'")
    .replaceAll('&amp;', '&');

/** Stream code in parts, and return the HTML that is shown at the end. */
function stream(code, language, part) {
  const highlighter = new Highlighter(language);
  let shown = '';
  let rest = '';
  for (let end = part; end < code.length + part; end += part) {
    const { isNew, pieces, rest: last } = highlighter.update(code.slice(0, end));
    shown = (isNew ? '' : shown) + pieces.join('');
    rest = last;
  }
  return { shown, rest };
}

const PYTHON = `def f(x):\n    """A "text" <b>\n    of two lines."""\n    return x & 1 # comment\n`;

for (const [name, code, language] of [
  ['Python', PYTHON.repeat(200), 'python'],
  ['one long line', `[${'"a<b", '.repeat(5000)}]`, 'json'],
  ['an unknown language', '<script>&amp;</script>\n'.repeat(300), 'brainfuck'],
  ['no language', 'a\n\nb', ''],
  ['a string that is never closed', `x = """${'text\n'.repeat(9000)}`, 'python'],
  ['nothing', '', 'python']
]) {
  test(`streamed code is complete and escaped: ${name}`, () => {
    const { shown, rest } = stream(code, language, 997);
    assert.equal(textOf(shown + rest), code);
    assert.ok(textOf(rest).length <= 16_000);
    assert.doesNotMatch((shown + rest).replace(/<\/?span[^<>]*>/g, ''), /[<>]/);
  });
}

test('a piece does not end within a string', () => {
  const code = `${'x = 1\n'.repeat(38)}y = """\n${'text\n'.repeat(60)}"""\n${'z = 2\n'.repeat(80)}`;
  const { shown } = stream(code, 'python', 50);
  const [string] = /<span class="hljs-string">[^]*?<\/span>/.exec(shown);
  assert.match(string, /(text\n){60}&quot;&quot;&quot;<\/span>$/);
});

test('code that is not a continuation is shown anew', () => {
  const highlighter = new Highlighter('python');
  highlighter.update('a = 1\n'.repeat(100));
  const { isNew, pieces, rest } = highlighter.update('b = 2\n'.repeat(3));
  assert.ok(isNew);
  assert.equal(textOf(pieces.join('') + rest), 'b = 2\n'.repeat(3));
});

test('a language has a title', () => {
  assert.deepEqual(['py', 'js', 'zig', ''].map(languageTitle), ['Python', 'JavaScript', 'zig', '']);
});
