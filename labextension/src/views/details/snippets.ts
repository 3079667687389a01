/** Code that uses a model, to copy. */

import type { Model } from '../../api/types.js';
import { trans } from '../i18n.js';

export interface Snippet {
  readonly title: string;
  readonly code: string;
  /** What has to be done first. */
  readonly note?: string;
}

type Task = 'chat' | 'complete' | 'embed' | 'rerank';

/** The environment variable with the server's token for curl. The token itself is never in the code. */
const TOKEN = 'JUPYTER_TOKEN';

const DOCUMENTS = '["Bread is baked.", "Fish swim."]';

/**
 * Return code for the client, the magic, `openai` and curl, as far as they can use the model.
 *
 * The code for notebooks finds the server and its token itself.
 *
 * @param baseUrl - Address of the notebook server. Without it, there is no code for curl.
 */
export function snippets(model: Model, baseUrl: string | null): Snippet[] {
  const task = taskOf(model.capabilities ?? []);
  const found: Snippet[] = [{ title: trans.__('Client'), code: clientCode(model.id, task) }];
  if (task === 'chat') {
    found.push({
      title: trans.__('Magic'),
      code: `%%power ${model.id}\nWrite a haiku about tea.`,
      note: trans.__('Once in each notebook, before this: %1', '%load_ext a3s_power_jupyter')
    });
  }
  if (task !== 'rerank') {
    found.push({ title: 'openai', code: openaiCode(model.id, task) });
  }
  if (baseUrl !== null) {
    found.push({
      title: 'curl',
      code: curlCode(model.id, task, baseUrl),
      note: trans.__('Set %1 to the token, which “%2” prints.', TOKEN, 'jupyter server list')
    });
  }
  return found;
}

function taskOf(capabilities: readonly string[]): Task {
  if (capabilities.includes('chat')) {
    return 'chat';
  }
  if (capabilities.includes('completion')) {
    return 'complete';
  }
  return capabilities.includes('rerank') ? 'rerank' : 'embed';
}

function clientCode(id: string, task: Task): string {
  const name = quoted(id);
  const calls: Record<Task, string> = {
    chat: `print(client.chat(${name}, "Write a haiku about tea."))`,
    complete: `print(client.complete(${name}, "Once upon a time", max_tokens=50))`,
    embed: `vectors = client.embed(${name}, ["A text.", "Another text."])`,
    rerank: `print(client.rerank(${name}, "How is bread made?", ${DOCUMENTS}))`
  };
  return `import a3s_power_jupyter as power\n\nclient = power.connect()\n${calls[task]}`;
}

function openaiCode(id: string, task: Exclude<Task, 'rerank'>): string {
  const name = quoted(id);
  const calls = {
    chat:
      `reply = client.chat.completions.create(\n    model=${name},\n` +
      '    messages=[{"role": "user", "content": "Write a haiku about tea."}],\n)\n' +
      'print(reply.choices[0].message.content)',
    complete:
      `reply = client.completions.create(\n    model=${name}, prompt="Once upon a time", ` +
      'max_tokens=50\n)\nprint(reply.choices[0].text)',
    embed:
      `reply = client.embeddings.create(\n    model=${name}, input=["A text.", "Another text."]\n)\n` +
      'vectors = [item.embedding for item in reply.data]'
  };
  const client = 'import a3s_power_jupyter as power\n\nclient = power.connect().openai()';
  return `${client}\n${calls[task]}`;
}

function curlCode(id: string, task: Task, baseUrl: string): string {
  const bodies: Record<Task, [string, object]> = {
    chat: [
      'chat/completions',
      { model: id, messages: [{ role: 'user', content: 'Write a haiku about tea.' }] }
    ],
    complete: ['completions', { model: id, prompt: 'Once upon a time', max_tokens: 50 }],
    embed: ['embeddings', { model: id, input: ['A text.', 'Another text.'] }],
    rerank: [
      'rerank',
      { model: id, query: 'How is bread made?', documents: JSON.parse(DOCUMENTS) as string[] }
    ]
  };
  const [route, body] = bodies[task];
  return [
    `curl ${shellQuoted(`${root(baseUrl)}/v1/${route}`)} \\`,
    `  -H "Authorization: Bearer $${TOKEN}" \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d ${shellQuoted(JSON.stringify(body))}`
  ].join('\n');
}

/** Return a URL without a slash at the end, and without a query, which may have a token. */
function root(baseUrl: string): string {
  const { origin, pathname } = new URL(baseUrl);
  return `${origin}${pathname}`.replace(/\/+$/, '');
}

function quoted(text: string): string {
  return JSON.stringify(text); // also a string of Python
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
