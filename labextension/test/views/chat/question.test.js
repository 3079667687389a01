import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  asQuestion,
  attachmentsOf,
  questionOf,
  withText
} from '../../../lib/views/chat/question.js';

const CELL = {
  kind: 'cell',
  title: 'Cell 3',
  text: 'print("```")\n````',
  language: 'python',
  cut: 'The first 2 of 9 lines.'
};
const IMAGE = {
  kind: 'image',
  title: 'cat.png',
  text: '',
  language: '',
  image: 'data:image/png;base64,AA==',
  cut: ''
};

test('a question without attachments is a text', () => {
  assert.deepEqual(asQuestion('Hi', []), { role: 'user', content: 'Hi' });
});

test('attachments are parts around the question, and can be read back', () => {
  const message = asQuestion('What is it?', [IMAGE, CELL]);
  const [cell, question, image] = message.content;
  assert.equal(cell.text, 'Cell 3:\n`````python\nprint("```")\n````\n`````\n\n');
  assert.deepEqual(question, { type: 'text', text: 'What is it?' });
  assert.deepEqual(image, { type: 'image_url', image_url: { url: IMAGE.image } });
  assert.deepEqual(
    message.attachments.map(({ kind, part }) => [kind, part]),
    [
      ['cell', 0],
      ['image', 2]
    ]
  );
  const saved = JSON.parse(JSON.stringify(message));
  assert.equal(questionOf(saved), 'What is it?');
  assert.deepEqual(attachmentsOf(saved), [CELL, IMAGE]);
});

test('a question in other words keeps its attachments', () => {
  const message = withText(asQuestion('a', [CELL]), 'b');
  assert.deepEqual(message, asQuestion('b', [CELL]));
  const plain = { role: 'user', content: 'a', name: 'me' };
  assert.deepEqual(withText(plain, 'b'), { role: 'user', content: 'b', name: 'me' });
});

test('images of messages that code has set are attachments', () => {
  const content = [
    { type: 'text', text: 'a' },
    { type: 'image_url', image_url: 'https://example.org/a.png' }
  ];
  const message = { role: 'user', content };
  assert.equal(questionOf(message), 'a');
  assert.equal(attachmentsOf(message)[0].image, 'https://example.org/a.png');
});

test('fields of another form are left out', () => {
  for (const attachments of [3, 'x', [null], [{ kind: 'cell', title: 'a', part: 9 }], [{}]]) {
    const message = { role: 'user', content: [{ type: 'text', text: 'a' }, null], attachments };
    assert.equal(questionOf(message), 'a');
    assert.deepEqual(attachmentsOf(message), []);
  }
});
