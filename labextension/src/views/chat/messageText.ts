/** The text of messages, which code in the notebook may have set to any value. */

import type { Message } from './chatCompletion.js';
import { formatSeconds } from '../format.js';

/** Characters of a call or a result that are shown in one line. */
const MAX_LINE = 100;

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

/** A number of as many digits may not be the same after JavaScript has read it. */
const LONG_NUMBER = /\d{16}/;

/** Return JSON with line breaks; any other text as it is. */
export function readable(text: string): string {
  if (LONG_NUMBER.test(text)) {
    return text;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Return a call in one line: `weather({"city": "Paris"})`. */
export function callText(call: Call): string {
  return `${oneLine(call.name)}(${call.arguments === '{}' ? '' : oneLine(call.arguments)})`;
}

/** Return a text in one line, cut if it is long. */
export function oneLine(text: string): string {
  const line = text
    .slice(0, 4 * MAX_LINE)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > MAX_LINE || text.length > 4 * MAX_LINE
    ? `${line.slice(0, MAX_LINE)}...`
    : line;
}

/** Return the title of thoughts: "Thinking for 3.2 s", and "Thoughts (12 s)" when they end. */
export function thoughtsTitle(seconds: number | null, isThinking: boolean): string {
  const time = seconds === null ? '' : formatSeconds(seconds);
  if (isThinking) {
    return time ? `Thinking for ${time}` : 'Thinking';
  }
  return time ? `Thoughts (${time})` : 'Thoughts';
}
