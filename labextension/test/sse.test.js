import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventStreamParser } from '../lib/sse.js';

const encode = text => new TextEncoder().encode(text);

/** The events of `text`, pushed in pieces of `size` bytes. */
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

test('bytes may be cut anywhere', () => {
  for (let size = 1; size <= encode(STREAM).length; size += 1) {
    assert.deepEqual(parse(STREAM, size), EVENTS, `in pieces of ${size} bytes`);
  }
});

test('a carriage return alone ends a line', () => {
  assert.deepEqual(parse('data: a\r\rdata: b\r\r\n', 1), ['a', 'b']);
});

test('comments and empty lines are no events', () => {
  assert.deepEqual(parse('\n\n: one\n\n: two\n\n', 3), []);
});

test('empty data is an event', () => {
  assert.deepEqual(parse('data:\n\n', 4), ['']);
});
