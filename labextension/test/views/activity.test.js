import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
  cacheDetails,
  cacheShare,
  cacheText,
  speedText,
  warmText
} from '../../lib/views/activity.js';
import { stateText } from '../../lib/views/table/columns.js';

// The same cases as in tests/unit/display/test_activity.py.
const path = new URL('../../../tests/support/activity_display_cases.json', import.meta.url);
for (const { model: changes, ...expected } of JSON.parse(readFileSync(path, 'utf8'))) {
  test(`activity of a model: ${expected.case}`, () => {
    const model = { id: 'm', pinned: false, ...changes };
    assert.equal(stateText(model, 0), expected.state);
    assert.equal(speedText(model), expected.speed);
    assert.equal(cacheText(model), expected.cache);
    assert.equal(cacheShare(model), expected.used);
    assert.equal(cacheDetails(model), expected.details);
    assert.equal(warmText(model), expected.warm);
  });
}
