import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, beforeEach, test } from 'node:test';

import { FetchTransport } from '../../lib/api/fetchTransport.js';

let server, url, reply, requests;

beforeEach(async () => {
  requests = 0;
  server = createServer((_request, response) => reply(response, (requests += 1)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}/`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const send = (response, event) => response.write(`data: ${JSON.stringify(event)}\n\n`);

/** Log events until `isComplete(entries)`, with "lost" for each lost connection. */
async function log(isComplete, options = {}) {
  const abort = new AbortController();
  const entries = [];
  const add = entry => {
    entries.push(entry);
    if (isComplete(entries)) {
      abort.abort();
    }
  };
  const fetchPath = (path, init) => fetch(url + path, init);
  const transport = new FetchTransport(fetchPath, { retryDelay: 1, ...options });
  await transport.follow(add, () => add('lost'), abort.signal);
  return entries;
}

test('events are received in order, across a reconnection', async () => {
  reply = (response, n) => {
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

test('aborting closes the connection', async () => {
  const closed = new Promise(resolve => {
    reply = response => {
      send(response, { type: 'snapshot', models: [] });
      response.on('close', resolve);
    };
  });
  await log(() => true);
  await closed;
});

test('a server without the extension is requested only once', async () => {
  reply = response => response.writeHead(404).end();
  await assert.rejects(
    log(() => false),
    /a3s_power_jupyter does not run/
  );
  assert.equal(requests, 1);
});

for (const status of [400, 401, 403, 405, 410]) {
  test(`a refusal with status ${status} is final, and gives its reason`, async () => {
    const body = JSON.stringify({ error: { message: 'Log in first.', code: 'unauthorized' } });
    reply = response => response.writeHead(status).end(body);
    await assert.rejects(
      log(() => false),
      { message: 'Log in first.', code: 'unauthorized', status }
    );
    assert.equal(requests, 1);
  });
}

test('a refusal after a connection ends the reconnection', async () => {
  reply = (response, n) => {
    if (n === 1) {
      send(response, { n });
      response.end();
    } else {
      response.writeHead(403).end('<html>');
    }
  };
  await assert.rejects(
    log(() => false),
    /HTTP status 403/
  );
  assert.equal(requests, 2);
});

for (const status of [424, 429, 500, 503]) {
  test(`status ${status} is retried`, async t => {
    t.mock.method(console, 'warn', () => {});
    reply = (response, n) => (n < 3 ? response.writeHead(status).end() : send(response, { n }));
    assert.deepEqual(await log(entries => entries.length === 3), ['lost', 'lost', { n: 3 }]);
  });
}

test('an idle connection is replaced', async t => {
  t.mock.method(console, 'warn', () => {});
  reply = (response, n) => send(response, { n });
  const entries = await log(entries => entries.length === 3, { idleTimeout: 500 });
  assert.deepEqual(entries, [{ n: 1 }, 'lost', { n: 2 }]);
});

test('keep-alive comments keep a connection open', async () => {
  reply = response => {
    const timer = setInterval(() => response.write(': keep-alive\n\n'), 50);
    setTimeout(() => send(response, { late: true }), 1000);
    response.on('close', () => clearInterval(timer));
  };
  assert.deepEqual(await log(() => true, { idleTimeout: 500 }), [{ late: true }]);
});

test('a request returns JSON, or rejects with the error from the server', async () => {
  const transport = new FetchTransport((path, init) => fetch(url + path, init));
  reply = response => response.end('{"object":"list"}');
  assert.deepEqual(await transport.request('GET', 'models'), { object: 'list' });
  reply = response => response.writeHead(409).end('{"error":{"message":"Busy."}}');
  await assert.rejects(transport.request('POST', 'models/a/unload', {}), /Busy/);
});

test('an unreachable server is reported', async () => {
  const transport = new FetchTransport(() => Promise.reject(new TypeError('fetch failed')));
  await assert.rejects(transport.request('GET', 'models'), /Cannot reach the notebook server/);
});

test('aborting a request closes the connection and rejects with the reason', async () => {
  const abort = new AbortController();
  const closed = new Promise(resolve => {
    reply = response => {
      response.on('close', resolve);
      abort.abort();
    };
  });
  const transport = new FetchTransport((path, init) => fetch(url + path, init));
  const request = transport.request('GET', 'hub/search', undefined, abort.signal);
  await assert.rejects(request, { name: 'AbortError' });
  await closed;
});
