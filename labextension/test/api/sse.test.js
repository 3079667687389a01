import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventStreamParser, readEvents } from '../../lib/api/sse.js';

const encode = text => new TextEncoder().encode(text);

/** Parse `text`, pushed in chunks of `size` bytes. */
function parse(text, size) {
  const parser = new EventStreamParser();
  const bytes = encode(text);
  const events = [];
  for (let i = 0; i < bytes.length; i += size) {
    events.push(...parser.push(bytes.subarray(i, i + size)));
  }
  return events;
}

const STREAM =
  ': keep-alive\n\ndata: {"id":"größe-模型-🦙"}\n\n:\ndata:no space\r\n\r\nevent: x\ndata: two\ndata: lines\n\ndata: cut off';
const EVENTS = ['{"id":"größe-模型-🦙"}', 'no space', 'two\nlines'];

test('chunks may split the bytes anywhere', () => {
  for (let size = 1; size <= encode(STREAM).length; size += 1) {
    assert.deepEqual(parse(STREAM, size), EVENTS, `in chunks of ${size} bytes`);
  }
});

test('a lone carriage return ends a line', () => {
  assert.deepEqual(parse('data: a\r\rdata: b\r\r\n', 1), ['a', 'b']);
});

test('comments and empty lines are not events', () => {
  assert.deepEqual(parse('\n\n: one\n\n: two\n\n', 3), []);
});

test('empty data is an event', () => {
  assert.deepEqual(parse('data:\n\n', 4), ['']);
});

test('a stream is read up to [DONE], and rejects if it contains an error', async () => {
  const read = text => readEvents(new Response(text));
  const events = [];
  for await (const event of read('data: {"a":1}\n\ndata: [DONE]\n\ndata: {"b":2}\n\n')) {
    events.push(event);
  }
  assert.deepEqual(events, [{ a: 1 }]);
  const broken = read('data: {"a":1}\n\ndata: {"error":{"message":"It died."}}\n\n');
  assert.deepEqual((await broken.next()).value, { a: 1 });
  await assert.rejects(broken.next(), /It died/);
});

test('an error status rejects with the message from the server', async () => {
  const body = JSON.stringify({ error: { message: 'Busy.', code: 'model_busy' } });
  const events = readEvents(new Response(body, { status: 409 }));
  await assert.rejects(events.next(), { message: 'Busy.', code: 'model_busy' });
});
