import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, beforeEach, test } from 'node:test';

import { follow } from '../lib/follow.js';

let server, url, answer, requests;

beforeEach(async () => {
  requests = 0;
  server = createServer((request, response) => answer(response, (requests += 1)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}/v1/events`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const send = (response, event) => response.write(`data: ${JSON.stringify(event)}\n\n`);

/** Follow `url` until `enough(log)`; the log has events and the word "lost". */
async function log(enough, options = {}) {
  const stop = new AbortController();
  const entries = [];
  const add = entry => {
    entries.push(entry);
    if (enough(entries)) {
      stop.abort();
    }
  };
  await follow({
    open: signal => fetch(url, { signal }),
    onEvent: add,
    onLost: () => add('lost'),
    signal: stop.signal,
    delay: 1,
    ...options
  });
  return entries;
}

test('events are handed on as they come, over a connection that ends', async () => {
  answer = (response, n) => {
    send(response, { type: 'snapshot', models: [], n });
    if (n === 1) {
      response.end();
    }
  };
  const entries = await log(entries => entries.length === 3);
  assert.deepEqual(
    entries.map(entry => entry.n ?? entry),
    [1, 'lost', 2]
  );
});

test('aborting ends the request', async () => {
  const closed = new Promise(resolve => {
    answer = response => {
      send(response, { type: 'snapshot', models: [] });
      response.on('close', resolve);
    };
  });
  await log(() => true);
  await closed;
});

test('a server without the extension is asked once', async () => {
  answer = response => response.writeHead(404).end();
  assert.deepEqual(await log(() => false), []);
  assert.equal(requests, 1);
});

test('a server that fails is asked again', async t => {
  t.mock.method(console, 'warn', () => {});
  answer = (response, n) => (n < 3 ? response.writeHead(503).end() : send(response, { n }));
  assert.deepEqual(await log(entries => entries.length === 3), ['lost', 'lost', { n: 3 }]);
});

test('a connection that says nothing is given up', async t => {
  t.mock.method(console, 'warn', () => {});
  answer = (response, n) => send(response, { n });
  const entries = await log(entries => entries.length === 3, { silence: 500 });
  assert.deepEqual(entries, [{ n: 1 }, 'lost', { n: 2 }]);
});

test('keep-alive comments keep a quiet connection', async () => {
  answer = response => {
    const timer = setInterval(() => response.write(': keep-alive\n\n'), 50);
    setTimeout(() => send(response, { late: true }), 1000);
    response.on('close', () => clearInterval(timer));
  };
  assert.deepEqual(await log(() => true, { silence: 500 }), [{ late: true }]);
});
