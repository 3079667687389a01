import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Latest } from '../../lib/views/latest.js';
import { searchPath } from '../../lib/views/find/searchPath.js';

test('of several scheduled tasks only the last runs, after the delay', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const latest = new Latest();
  const ran = [];
  for (const key of ['l', 'll', 'lla']) {
    latest.schedule(async () => void ran.push(key), 300);
    t.mock.timers.tick(299);
  }
  assert.deepEqual(ran, []);
  t.mock.timers.tick(1);
  assert.deepEqual(ran, ['lla']);
});

test('a newer task aborts the one that runs, also before its delay is over', () => {
  const latest = new Latest();
  let first;
  latest.schedule(async signal => (first = signal));
  assert.equal(first.aborted, false);
  latest.schedule(async () => {}, 1000);
  assert.equal(first.aborted, true);
  latest.cancel();
});

test('cancelling forgets what waits and aborts what runs', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const latest = new Latest();
  latest.schedule(() => assert.fail('cancelled'), 300);
  latest.cancel();
  t.mock.timers.tick(1000);
  let running;
  latest.schedule(async signal => (running = signal));
  latest.cancel();
  assert.equal(running.aborted, true);
});

test('the path of a search escapes the words and has the cursor', () => {
  assert.equal(
    searchPath('a&b c', 'gguf', 'likes', null),
    'hub/search?query=a%26b+c&format=gguf&sort=likes'
  );
  assert.match(searchPath('a', 'all', 'downloads', 'x/y='), /&cursor=x%2Fy%3D$/);
});
