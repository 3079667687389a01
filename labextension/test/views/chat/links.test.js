import assert from 'node:assert/strict';
import { test } from 'node:test';

import { targetOf } from '../../../lib/views/chat/links.js';

for (const [link, host] of [
  ['https://a.example/b?c#d', 'a.example'],
  ['http://a.example:8080/a.example', 'a.example'],
  ['https://http.example/', 'http.example'],
  ['https://s/', 's'],
  ['mailto:b@a.example?subject=c@d', 'a.example'],
  ['https://xn--80a.example/', 'xn--80a.example'],
  ['http://2130706433/', '127.0.0.1']
]) {
  test(`the host of ${link}`, () => {
    const target = targetOf(link);
    assert.equal(target.host, host);
    assert.equal(target.before + target.host + target.after, target.url);
    assert.match(target.before, /^(?:https?:\/\/|mailto:[^@]*@)$/);
  });
}

test('hosts with other letters, and those of the own network, have a note', () => {
  const note = link => targetOf(link).note;
  assert.match(note('https://xn--80a.example/'), /not Latin/);
  for (const host of ['localhost', '127.0.0.1:8888', '0x7f.1', '192.168.0.1', '[::1]', 'router']) {
    assert.match(note(`http://${host}/`), /your own/);
  }
  for (const link of ['https://a.example/', 'https://8.8.8.8/', 'mailto:a@b.example']) {
    assert.equal(note(link), '');
  }
});
