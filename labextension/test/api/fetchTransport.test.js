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

const refusal = code => JSON.stringify({ error: { message: 'Not you.', code } });

for (const status of [400, 403, 405, 410]) {
  test(`a refusal with status ${status} is final, and gives its reason`, async () => {
    reply = response => response.writeHead(status).end(refusal('forbidden'));
    await assert.rejects(
      log(() => false),
      { message: 'Not you.', code: 'forbidden', status }
    );
    assert.equal(requests, 1);
  });
}

const LOGIN_PAGE = '<form>Password</form>';
const LOGGED_OUT = { message: /logged out.*Reload/, code: 'unauthorized', status: 401 };

/** Reply as a server that refuses the page's credentials, and as one that shows its login page. */
const refusals = {
  'an error': response => response.writeHead(401).end(refusal('unauthorized')),
  'the login page': (response, n) =>
    n === 1
      ? response.writeHead(302, { Location: '/login' }).end()
      : response.writeHead(200, { 'Content-Type': 'text/html' }).end(LOGIN_PAGE)
};

for (const [name, refuse] of Object.entries(refusals)) {
  test(`a page that is logged out says what to do, for ${name}`, async () => {
    reply = refuse;
    await assert.rejects(
      log(() => false),
      LOGGED_OUT
    );
    const transport = new FetchTransport((path, init) => fetch(url + path, init));
    requests = 0;
    await assert.rejects(transport.request('POST', 'models/a/load', {}), LOGGED_OUT);
    requests = 0;
    const events = transport.stream('chat/completions', {}, new AbortController().signal);
    await assert.rejects(events.next(), LOGGED_OUT);
  });
}

const failures = {
  'the proxy refuses': response => response.writeHead(403).end('<html>'),
  'nobody answers': response => response.destroy(),
  'the page is logged out': refusals['an error']
};

for (const [name, fail] of Object.entries(failures)) {
  test(`a request shows that the event stream is stale: ${name}`, async t => {
    t.mock.method(console, 'warn', () => {});
    reply = response => send(response, { type: 'snapshot', models: [] }); // and never ends
    const abort = new AbortController();
    const transport = new FetchTransport((path, init) => fetch(url + path, init));
    const lost = new Promise(resolve => {
      const followed = transport.follow(
        () => {
          reply = fail;
          transport.request('POST', 'models/a/load', {}).catch(() => {});
        },
        resolve,
        abort.signal
      );
      followed.catch(() => {});
    });
    await lost;
    abort.abort();
  });
}

test('an error of the server extension leaves the event stream open', async () => {
  const abort = new AbortController();
  const transport = new FetchTransport((path, init) => fetch(url + path, init));
  const entries = [];
  reply = response => send(response, { type: 'snapshot', models: [] });
  const onEvent = async () => {
    reply = response => response.writeHead(409).end(refusal('model_busy'));
    await assert.rejects(transport.request('POST', 'models/a/load', {}), /Not you/);
    await assert.rejects(transport.request('POST', 'models/a/load', {}), /Not you/);
    abort.abort();
  };
  await transport.follow(onEvent, () => entries.push('lost'), abort.signal);
  assert.deepEqual(entries, []);
});

test('a refusal after a connection ends the reconnection', async () => {
  reply = (response, n) => {
    if (n === 1) {
      send(response, { n });
      response.end();
    } else {
      response.writeHead(403).end(refusal('forbidden'));
    }
  };
  await assert.rejects(
    log(() => false),
    /Not you/
  );
  assert.equal(requests, 2);
});

for (const status of [403, 424, 429, 500, 503]) {
  test(`status ${status} of a proxy is retried`, async t => {
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
