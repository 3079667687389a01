import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { oncePerFrame } from '../../lib/views/dom.js';

test('slow drawings leave most of the time to the page, and the last state is drawn', async t => {
  globalThis.requestAnimationFrame = callback => setTimeout(callback, 1);
  t.after(() => delete globalThis.requestAnimationFrame);
  let state = 0;
  let drawn = 0;
  let busy = 0;
  const draw = oncePerFrame(() => {
    const start = performance.now();
    while (performance.now() - start < 20);
    drawn = state;
    busy += performance.now() - start;
  });
  const start = performance.now();
  for (state = 1; state <= 50; state += 1) {
    draw();
    await sleep(10);
  }
  const elapsed = performance.now() - start;
  assert.ok(busy < elapsed / 2, `${busy} of ${elapsed} ms`);
  state = -1;
  draw();
  while (drawn !== -1) {
    await sleep(10);
  }
});
