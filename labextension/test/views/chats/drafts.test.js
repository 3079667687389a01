import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Drafts } from '../../../lib/views/chats/drafts.js';

const NONE = { text: '', attachments: [] };
const chat = (draftKey, draft = NONE) => ({ draftKey, draft });
const text = value => ({ text: value, attachments: [] });

test('each chat gets its own draft back, once', () => {
  const drafts = new Drafts();
  drafts.keep(chat('a', text('of a')));
  drafts.keep(chat('b', text('of b')));
  const a = chat('a');
  drafts.restore(a);
  assert.equal(a.draft.text, 'of a');
  const again = chat('a');
  drafts.restore(again);
  assert.equal(again.draft, NONE);
  const b = chat('b');
  drafts.restore(b);
  assert.equal(b.draft.text, 'of b');
});

test('a draft of attachments alone is kept', () => {
  const drafts = new Drafts();
  const attachments = [{ kind: 'cell', label: 'Cell 1', text: 'x = 1' }];
  drafts.keep(chat('a', { text: '', attachments }));
  const a = chat('a');
  drafts.restore(a);
  assert.equal(a.draft.attachments, attachments);
});

test('the draft of a new chat goes to the next new chat', () => {
  const drafts = new Drafts();
  drafts.keep(chat('', text('of the new one')));
  drafts.restore(chat('a'));
  const next = chat('');
  drafts.restore(next);
  assert.equal(next.draft.text, 'of the new one');
});

test('a box that was emptied does not get an older draft', () => {
  const drafts = new Drafts();
  drafts.keep(chat('a', text('old')));
  drafts.keep(chat('a', text(' \n')));
  const a = chat('a');
  drafts.restore(a);
  assert.equal(a.draft, NONE);
});
