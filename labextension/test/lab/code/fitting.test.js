import assert from 'node:assert/strict';
import { test } from 'node:test';

import { counter, fit } from '../../../lib/lab/code/fitting.js';
import { compose, nearestCells } from '../../../lib/lab/code/question.js';
import { RequestError } from '../../../lib/api/transport.js';

const python = code => ({ language: 'python', code });
const prompt = { system: '', user: 'Fix\n\n{code}\n\n{error}\n\n{before}' };
const material = {
  values: { code: 'x = 1' },
  cells: Array.from({ length: 100 }, (_, index) => python(`value_${index} = compute(${index})`))
};

/** Count one token a character, which is more than is estimated. */
const counting = context => async messages => ({ used: messages[0].content.length, context });

test('the question leaves room for its answer, and says what was left out', async () => {
  for (const context of [1000, 400, 180]) {
    const draft = await fit(
      tokens => compose(prompt, material, tokens),
      1400,
      0,
      counting(context)
    );
    assert.ok(draft.messages[0].content.length + 128 <= context);
    assert.match(draft.cut, /cells? above were left out/);
    assert.match(draft.messages[0].content, /x = 1/);
  }
});

test('all is sent if it fits, or if the context is not known', async () => {
  for (const context of [null, 100000]) {
    const draft = await fit(tokens => compose(prompt, material, tokens), 1e6, 0, counting(context));
    assert.equal(draft.cut, '');
    assert.match(draft.messages[0].content, /value_0 =/);
  }
});

test('code that does not fit is refused, not cut', async () => {
  await assert.rejects(
    fit(tokens => compose(prompt, material, tokens), 1400, 0, counting(130)),
    /the context of the model has 130/
  );
});

test('nothing is said to be left out where nothing is', () => {
  assert.equal(compose(prompt, { values: { code: 'x' }, before: '', after: '\n' }, 0).cut, '');
});

test('the nearest cells are kept', () => {
  const cells = ['a = 1', 'b = 2'].map(python);
  assert.deepEqual(nearestCells(cells, 7).cells, [python('b = 2')]);
  assert.deepEqual(nearestCells(cells, 0).cells, []);
  assert.deepEqual(nearestCells([], 0), { cells: [], cut: '' });
});

test('code before is in the language of each cell', () => {
  const cells = [python('a = 1'), python('b = 2'), { language: 'sql', code: '%%sql\nSELECT 1' }];
  const values = { code: 'ls', language: 'bash' };
  const { messages } = compose(prompt, { values, cells, before: 'cd /' }, 1000);
  assert.equal(
    messages[0].content,
    'Fix\n\n```bash\nls\n```\n\n' +
      '```python\na = 1\n\nb = 2\n```\n\n```sql\n%%sql\nSELECT 1\n```\n\n```bash\ncd /\n```'
  );
});

test('a remote server that does not count is asked once', async () => {
  let asked = 0;
  const transport = {
    request: async () => {
      asked += 1;
      throw new RequestError('It cannot count.', 'unsupported', 400);
    }
  };
  const { signal } = new AbortController();
  const messages = [{ role: 'user', content: 'one two' }];
  const remote = { id: 'remote', format: 'remote', context_length: 4096 };
  const count = counter(transport, remote, signal);
  assert.equal((await count(messages)).context, 4096);
  await count(messages);
  assert.equal(asked, 1);
  await assert.rejects(counter(transport, { id: 'own', format: 'gguf' }, signal)(messages));
});
