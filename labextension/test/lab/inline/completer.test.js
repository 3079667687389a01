import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Completer } from '../../../lib/lab/inline/completer.js';

const ticks = async () => {
  for (let n = 0; n < 20; n += 1) {
    await Promise.resolve();
  }
};

/** A model that writes what a test says, and a clock that a test moves. */
class Bench {
  requests = [];
  activities = [];
  errors = [];
  waits = [];

  completer = new Completer({
    ask: (place, signal) => this.ask(place, signal),
    codeOf: raw => raw,
    sleep: milliseconds => new Promise(done => this.waits.push({ milliseconds, done })),
    onActivity: activity => this.activities.push(activity),
    onError: error => this.errors.push(error.message)
  });

  async *ask(place, signal) {
    const parts = [];
    let wake = () => undefined;
    const request = {
      place,
      signal,
      write: part => {
        parts.push(part);
        wake();
        return ticks();
      }
    };
    signal.addEventListener('abort', () => wake());
    this.requests.push(request);
    for (;;) {
      while (parts.length === 0) {
        signal.throwIfAborted();
        await new Promise(resolve => (wake = resolve));
      }
      const part = parts.shift();
      if (part === null) {
        return;
      }
      if (part instanceof Error) {
        throw part;
      }
      yield { text: part, isCut: false };
    }
  }

  get running() {
    return this.requests.filter(request => !request.signal.aborted).length;
  }

  suggest(before, after = '', delay = 150) {
    const place = { key: 'm', before, after, multiLine: true };
    return this.completer.suggest(place, delay);
  }

  /** Let the pause pass. */
  async pause() {
    this.waits.forEach(wait => wait.done());
    this.waits = [];
    await ticks();
  }
}

/** Return a bench with the complete text ` = 12` after `x`. */
async function completed() {
  const bench = new Bench();
  const pending = bench.suggest('x');
  await bench.pause();
  await bench.requests[0].write(' = 12');
  await bench.requests[0].write(null);
  await pending;
  return bench;
}

test('one request after a pause, however many keys', async () => {
  const bench = new Bench();
  const results = [...'print'].map((_, n) => bench.suggest('print'.slice(0, n + 1)));
  assert.equal(bench.requests.length, 0);
  assert.deepEqual(
    bench.waits.map(wait => wait.milliseconds),
    [150, 150, 150, 150, 150]
  );
  await bench.pause();
  assert.deepEqual(
    bench.requests.map(request => request.place.before),
    ['print']
  );
  await bench.requests[0].write('(x)');
  assert.deepEqual(await Promise.all(results.slice(0, 4)), [null, null, null, null]);
  assert.equal((await results[4]).text, '(x)');
});

test('a text is shown as it grows', async () => {
  const bench = new Bench();
  const pending = bench.suggest('x');
  await bench.pause();
  await bench.requests[0].write(' =');
  const { text, updates } = await pending;
  assert.equal(text, ' =');
  const seen = [];
  const reading = (async () => {
    for await (const update of updates) {
      seen.push(update);
    }
  })();
  await bench.requests[0].write(' 1');
  await bench.requests[0].write('2');
  await bench.requests[0].write(null);
  await reading;
  assert.equal(seen.at(-1), ' = 12');
  assert.deepEqual(bench.activities, ['waiting', ...Array(3).fill('generating'), 'idle']);
});

test('another key ends the request at once, before the next pause', async () => {
  const bench = new Bench();
  const first = bench.suggest('x');
  await bench.pause();
  await bench.requests[0].write(' = 1');
  void first;
  void bench.suggest('xy');
  assert.equal(bench.requests[0].signal.aborted, true);
  assert.equal(bench.requests.length, 1);
  await bench.pause();
  assert.equal(bench.running, 1);
});

test('a key before the first text ends the request', async () => {
  const bench = new Bench();
  const first = bench.suggest('x');
  await bench.pause();
  void bench.suggest('x ');
  assert.equal(bench.requests[0].signal.aborted, true);
  assert.equal(await first, null);
});

test('typing along a text goes on with it, without a request', async () => {
  const bench = new Bench();
  const first = bench.suggest('x');
  await bench.pause();
  await bench.requests[0].write(' = ma');
  await first;
  const second = await bench.suggest('x =');
  assert.equal(second.text, ' ma');
  const seen = [];
  const reading = (async () => {
    for await (const update of second.updates) {
      seen.push(update);
    }
  })();
  await bench.requests[0].write('x(y)');
  await bench.requests[0].write(null);
  await reading;
  assert.equal(seen.at(-1), ' max(y)');
  assert.equal(bench.requests.length, 1);
});

test('typing along and going back needs no request', async () => {
  const bench = await completed();
  assert.deepEqual(await bench.suggest('x = '), { text: '12', updates: null });
  assert.deepEqual(await bench.suggest('x'), { text: ' = 12', updates: null });
  assert.equal(bench.requests.length, 1);
  assert.equal(bench.waits.length, 0);
});

test('a text that was typed to its end is followed by a new request', async () => {
  const bench = await completed();
  void bench.suggest('x = 12');
  await bench.pause();
  assert.equal(bench.requests.length, 2);
});

test('an empty answer is remembered', async () => {
  const bench = new Bench();
  const first = bench.suggest('x');
  await bench.pause();
  await bench.requests[0].write(null);
  assert.equal(await first, null);
  assert.equal(await bench.suggest('x'), null);
  assert.equal(bench.requests.length, 1);
});

test('the bracket that an editor adds is left out of the text', async () => {
  const bench = new Bench();
  const first = bench.suggest('print');
  await bench.pause();
  await bench.requests[0].write('(x)');
  await bench.requests[0].write(null);
  await first;
  assert.equal((await bench.suggest('print(', ')')).text, 'x');
  assert.equal(bench.requests.length, 1);
});

test('another editor or model has its own texts', async () => {
  const bench = await completed();
  void bench.completer.suggest({ key: 'other', before: 'x', after: '', multiLine: true }, 0);
  await bench.pause();
  assert.equal(bench.requests.length, 2);
});

test('a cursor that moves away ends the request', async () => {
  const bench = new Bench();
  const pending = bench.suggest('a\nx');
  await bench.pause();
  bench.completer.follow({ key: 'm', before: 'a\nx', after: '', multiLine: true });
  assert.equal(bench.running, 1);
  bench.completer.follow({ key: 'm', before: 'a', after: '\nx', multiLine: true });
  assert.equal(bench.running, 0);
  assert.equal(await pending, null);
});

test('the end of a completion ends its request', async () => {
  const bench = new Bench();
  const pending = bench.suggest('def f():');
  await bench.pause();
  await bench.requests[0].write('\n    return 1\nprint');
  assert.deepEqual((await pending).text, '\n    return 1');
  assert.equal(bench.running, 0);
});

test('an error is told once, and the text is asked for again later', async () => {
  const bench = new Bench();
  const pending = bench.suggest('x');
  await bench.pause();
  await bench.requests[0].write(new Error('No memory.'));
  assert.equal(await pending, null);
  assert.deepEqual(bench.errors, ['No memory.']);
  assert.equal(bench.activities.at(-1), 'idle');
  void bench.suggest('x');
  await bench.pause();
  assert.equal(bench.requests.length, 2);
});

test('fifty keys never leave two requests running', async () => {
  const bench = new Bench();
  for (let size = 1; size <= 50; size += 1) {
    void bench.suggest('abcdefghij'.repeat(5).slice(0, size));
    if (size % 3 === 0) {
      await bench.pause();
      await bench.requests.at(-1).write('?');
    }
    assert.ok(bench.running <= 1);
  }
});
