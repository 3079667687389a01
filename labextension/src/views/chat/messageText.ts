/** The text of messages, which code in the notebook may have set to any value. */

import type { Message } from './chatCompletion.js';
import { formatSeconds } from '../format.js';
import { fieldsOf } from './jsonText.js';

/** Characters of a result that are shown in one line. */
const MAX_LINE = 100;

/** Characters of a name or a value that are shown in the line of a call. */
const MAX_VALUE = 60;

/** A call of a function, with its arguments as JSON. */
export interface Call {
  /** Id that its result repeats; '' if it has none. */
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** Return the text of a message. In OpenAI's API, content is a string, parts or null. */
export function contentOf({ content }: Message): string {
  if (!Array.isArray(content)) {
    return typeof content === 'string' ? content : '';
  }
  const texts = content.map(part => (part as { text?: unknown } | null)?.text);
  return texts.filter(text => typeof text === 'string').join('\n');
}

/** Return what a model thought before a message. */
export function thoughtsOf({ reasoning_content: thoughts }: Message): string {
  return typeof thoughts === 'string' ? thoughts : '';
}

/** Return the calls of a message, without those of another form. */
export function callsOf({ tool_calls: calls }: Message): Call[] {
  return (Array.isArray(calls) ? calls : []).flatMap((value: unknown) => {
    const { id, function: called } = (value ?? {}) as { id?: unknown; function?: unknown };
    const { name, arguments: input } = (called ?? {}) as { name?: unknown; arguments?: unknown };
    return typeof name === 'string' && typeof input === 'string'
      ? [{ id: typeof id === 'string' ? id : '', name, arguments: input }]
      : [];
  });
}

/** Return a call in one line, like `display/answer_parts.py`: `weather(city="Paris", days=3)`. */
export function callText(call: Call): string {
  const fields = fieldsOf(call.arguments || '{}');
  const values = fields === null ? [] : [...fields];
  const shown = values.map(pair => pair.map(text => oneLine(text, MAX_VALUE)).join('='));
  const input = fields === null ? oneLine(call.arguments, MAX_VALUE) : shown.join(', ');
  return `${oneLine(call.name, MAX_VALUE)}(${input})`;
}

/** Return a text in one line, cut if it is long. */
export function oneLine(text: string, length = MAX_LINE): string {
  const line = text
    .slice(0, 4 * length)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > length || text.length > 4 * length ? `${line.slice(0, length)}...` : line;
}

/** Return the title of thoughts: "Thinking for 3.2 s", and "Thoughts (12 s)" when they end. */
export function thoughtsTitle(seconds: number | null, isThinking: boolean): string {
  const time = seconds === null ? '' : formatSeconds(seconds);
  if (isThinking) {
    return time ? `Thinking for ${time}` : 'Thinking';
  }
  return time ? `Thoughts (${time})` : 'Thoughts';
}
