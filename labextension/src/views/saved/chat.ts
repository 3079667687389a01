/** A conversation in a saved notebook, like `widgets/fallback.py` in Python. */

import type { Message } from '../chat/chatCompletion.js';
import { toHtml } from '../chat/markdown.js';
import { type Call, callsOf, callText, thoughtsOf } from '../chat/messageText.js';
import { attachmentsOf, questionOf } from '../chat/question.js';
import type { PartialAnswer } from '../chat/conversation.js';
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
  const shown = messages.map(message => messageOf(message, room, ''));
  if (answer !== null) {
    shown.push(messageOf({ ...answer, role: 'assistant' }, room, ' (incomplete)'));
  }
  const markup = shown.map(message => message.markup).join('');
  const text = [title, ...shown.map(message => message.text)].join('\n');
  return savedView(`<p dir="auto">${escape(title)}</p>${markup}`, text);
}

function messageOf(message: Message, room: Room, note: string): { markup: string; text: string } {
  const { role } = message;
  const content = questionOf(message);
  const attachments = attachmentsOf(message);
  const calls = callsOf(message);
  const thoughts = thoughtsOf(message);
  return {
    markup:
      `<div dir="auto"><strong>${escape(role)}</strong>${note}</div>` +
      attachments.map(attachment => attachedMarkup(attachment, room)).join('') +
      `<div dir="auto" style="margin: 0 0 1em">${contentMarkup(role, content)}</div>` +
      (thoughts && folded('Thoughts', markdown(thoughts))) +
      calls.map(callMarkup).join(''),
    text: [`${role}${note}: ${content}`, attachedLine(attachments), ...calls.map(callText)]
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

function callMarkup(call: Call): string {
  const summary = `<summary><code>${escape(callText(call))}</code></summary>\n`;
  const block = `<pre ${PRE}>${escape(call.arguments)}</pre>\n`;
  return `<details>${summary}<blockquote>\n${block}</blockquote></details>\n`;
}
