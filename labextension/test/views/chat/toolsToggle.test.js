import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toolsRefusal } from '../../../lib/views/chat/toolsToggle.js';

test('only models that can call tools have them, and others say why not', () => {
  assert.equal(toolsRefusal({ id: 'm', capabilities: ['chat', 'tools'] }), '');
  assert.match(toolsRefusal({ id: 'm', capabilities: ['chat'] }), /^m was not made to call tools/);
  assert.match(toolsRefusal({ id: 'm' }), /^m was not/);
  assert.equal(toolsRefusal({ id: 'm', format: 'remote', capabilities: ['chat'] }), '');
  assert.match(toolsRefusal(undefined), /Choose a model/);
});
