/** Requests for completions, and the text in their replies. */

import { errorInBody } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import type { Prompt } from './prompt.js';
import { lastLine } from './trim.js';

/** How a model completes code: with its tokens for that, as an answer, or by continuing a text. */
export type Mode = 'fill_in' | 'chat' | 'continue';

export interface Request {
  /** Below `v1/`. */
  readonly path: string;
  readonly body: object;
}

export interface Limits {
  readonly maxTokens: number;
  readonly multiLine: boolean;
  readonly keepAlive: string;
}

/** A part of a reply. `isCut` if the limit of tokens has ended it. */
export interface Part {
  readonly text: string;
  readonly isCut: boolean;
}

/** Return how a model completes code, or null if it generates no text. */
export function modeOf(model: Pick<Model, 'capabilities' | 'format'>): Mode | null {
  const can = model.capabilities ?? [];
  if (can.includes('fill_in')) {
    return 'fill_in';
  }
  if (can.includes('chat') || model.format === 'remote') {
    return 'chat';
  }
  return can.includes('completion') ? 'continue' : null;
}

/** Return the request for the text between the two parts of a prompt. */
export function requestFor(
  model: string,
  mode: Mode,
  prompt: Prompt,
  language: string,
  limits: Limits
): Request {
  const common = {
    model,
    max_tokens: limits.maxTokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ...(limits.keepAlive !== '' && { keep_alive: limits.keepAlive })
  };
  if (mode === 'chat') {
    const body = { ...common, messages: messages(prompt, language), stop: ['\n```'] };
    return { path: 'chat/completions', body };
  }
  const stop = [limits.multiLine ? '\n\n' : '\n'];
  const suffix = mode === 'fill_in' ? { suffix: prompt.after.trim() ? prompt.after : '\n' } : {};
  return { path: 'completions', body: { ...common, prompt: prompt.before, stop, ...suffix } };
}

/** The text before the cursor comes last, so that the server has read most of the next request. */
function messages(prompt: Prompt, language: string): object[] {
  const fence = `\`\`\`${language}`;
  const after =
    prompt.after.trim() && `The code after the cursor:\n${fence}\n${prompt.after}\n\`\`\`\n\n`;
  const begun = lastLine(prompt.before).trimEnd();
  return [
    {
      role: 'system',
      content:
        'You complete code at the cursor. Answer with one block of code, which continues the code ' +
        'before the cursor. Write only what is missing, a few lines at most, without explanations.'
    },
    {
      role: 'user',
      content: `${after}The code before the cursor:\n${fence}\n${prompt.before.trimEnd()}\n\`\`\``
    },
    { role: 'assistant', content: `${fence}\n${begun}` }
  ];
}

/**
 * Return the code in an answer of a chat so far; null if it is not known yet.
 *
 * The answer was begun with a fence and the current line. Models that begin anew repeat them.
 */
export function codeOf(answer: string, before: string): string | null {
  const start = answer.trimStart();
  if (!start.startsWith('`')) {
    return upToFence(answer);
  }
  const fence = /^```[^\n]*\n/.exec(start);
  if (fence === null) {
    return null;
  }
  const code = upToFence(start.slice(fence[0].length));
  const begun = lastLine(before).trim();
  const text = code.trimStart();
  if (begun !== '' && text.startsWith(begun)) {
    return text.slice(begun.length);
  }
  return begun.startsWith(text) ? null : code;
}

function upToFence(text: string): string {
  const end = text.search(/(^|\n)```/);
  return end < 0 ? text : text.slice(0, end);
}

interface Chunk {
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
}

/** Yield the text of the events of a reply. Throws a `RequestError` for an event with an error. */
export async function* partsOf(events: AsyncIterable<unknown>): AsyncGenerator<Part, void> {
  for await (const event of events) {
    const error = errorInBody(event);
    if (error !== null) {
      throw error;
    }
    const choice = (event as Chunk).choices?.[0];
    const text = choice?.text ?? choice?.delta?.content ?? '';
    if (choice !== undefined) {
      yield { text, isCut: choice.finish_reason === 'length' };
    }
  }
}
