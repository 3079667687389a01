/** A conversation in a saved notebook, like `widgets/fallback.py` in Python. */

import type { Message } from '../chat/chatCompletion.js';
import { toHtml } from '../chat/markdown.js';
import { indented } from '../chat/jsonText.js';
import {
  type Call,
  callsOf,
  callText,
  contentOf,
  oneLine,
  thoughtsOf
} from '../chat/messageText.js';
import { attachmentsOf, questionOf } from '../chat/question.js';
import type { PartialAnswer } from '../chat/conversation.js';
import { isResult, type Results, resultsOf } from '../chat/results.js';
import { attachedLine, attachedMarkup, Room } from './attached.js';
import { escape, savedView, withoutBlankLines } from './markup.js';
import type { SavedView } from './savedView.js';

const QUIET = 'style="opacity: 0.7"';
const PRE = 'style="white-space: pre-wrap"';

/** Return the HTML and text of a conversation, with the answer that is not finished, if any. */
export function savedChat(
  model: string,
  messages: readonly Message[],
  answer: PartialAnswer | null
): SavedView {
  const title = model === '' ? 'Chat' : `Chat with ${model}`;
  const room = new Room();
  const results = resultsOf(messages);
  const listed = messages.filter(message => !isResult(message, results));
  const shown = listed.map(message => messageOf(message, room, results, ''));
  if (answer !== null) {
    shown.push(messageOf({ ...answer, role: 'assistant' }, room, results, ' (incomplete)'));
  }
  const markup = shown.map(message => message.markup).join('');
  const text = [title, ...shown.map(message => message.text)].join('\n');
  return savedView(`<p dir="auto">${escape(title)}</p>${markup}`, text);
}

function messageOf(
  message: Message,
  room: Room,
  results: Results,
  note: string
): { markup: string; text: string } {
  const { role } = message;
  const content = questionOf(message);
  const attachments = attachmentsOf(message);
  const calls = callsOf(message).map(call => {
    const result = results.byId.get(call.id);
    return { ...call, result: result === undefined ? null : contentOf(result) };
  });
  const thoughts = thoughtsOf(message);
  return {
    markup:
      `<div dir="auto"><strong>${escape(role)}</strong>${note}</div>` +
      attachments.map(attachment => attachedMarkup(attachment, room)).join('') +
      `<div dir="auto" style="margin: 0 0 1em">${contentMarkup(role, content)}</div>` +
      (thoughts && folded('Thoughts', markdown(thoughts))) +
      calls.map(callMarkup).join(''),
    text: [`${role}${note}: ${content}`, attachedLine(attachments), ...calls.map(lineOf)]
      .filter(line => line !== '')
      .join('\n')
  };
}

function contentMarkup(role: string, content: string): string {
  if (role === 'assistant') {
    return markdown(content);
  }
  const text = `<div style="white-space: pre-wrap">${escape(content)}</div>`;
  return role === 'tool' ? `<details><summary>Result</summary>${text}</details>` : text;
}

function markdown(text: string): string {
  return withoutBlankLines(toHtml(text));
}

function folded(title: string, markup: string): string {
  const summary = `<summary><small ${QUIET}>${title}</small></summary>\n`;
  return `<details>${summary}<blockquote>\n${markup}</blockquote></details>\n`;
}

interface CallWithResult extends Call {
  readonly result: string | null;
}

function callMarkup(call: CallWithResult): string {
  const summary = `<summary><code>${escape(callText(call))}</code>${escape(outcome(call))}</summary>\n`;
  const parts = Object.entries({
    Arguments: indented(call.arguments || '{}'),
    Result: call.result ?? ''
  });
  const blocks = parts
    .filter(([, text]) => text !== '')
    .map(
      ([title, text]) => `<small ${QUIET}>${title}</small>\n<pre ${PRE}>${escape(text)}</pre>\n`
    );
  return `<details>${summary}<blockquote>\n${blocks.join('')}</blockquote></details>\n`;
}

/** Return a call and its result: `weather(city="Paris") -> 18 degrees`. */
function lineOf(call: CallWithResult): string {
  return callText(call) + outcome(call);
}

function outcome({ result }: CallWithResult): string {
  return result === null ? '' : ` -> ${oneLine(result)}`;
}
