/** A message of a chat: text, with thoughts, calls and results folded away. */

import type { Message } from './chatCompletion.js';
import { h, setText } from '../dom.js';
import { questionOf } from './question.js';
import { MarkdownView } from './markdownView.js';
import { callsOf, callText, contentOf, oneLine, thoughtsOf, thoughtsTitle } from './messageText.js';

export class MessageView {
  readonly element: HTMLElement;
  private readonly content = h('div', { class: 'a3s-content', dir: 'auto' });
  private readonly markdown = new MarkdownView(this.content);
  private readonly mark = h('div', { class: 'a3s-quiet', hidden: true });
  private thoughts: ThoughtsView | null = null;

  constructor(message: Message) {
    const side = message.role === 'user' ? 'a3s-user' : '';
    this.element = h('div', { class: `a3s-message ${side}` }, this.content, this.mark);
    const content = contentOf(message);
    if (message.role === 'user') {
      this.content.textContent = questionOf(message);
    } else if (message.role === 'tool') {
      this.content.append(folded(oneLine(content), content));
    } else {
      this.showThoughts(thoughtsOf(message), null, false);
      this.showAnswer(content);
      for (const call of callsOf(message)) {
        this.element.append(folded(callText(call), call.arguments));
      }
    }
  }

  /** Show the text of an answer, which is Markdown. */
  showAnswer(markdown: string): void {
    this.markdown.show(markdown);
  }

  /** Show what the model thinks, closed until the user opens it. */
  showThoughts(thoughts: string, seconds: number | null, isThinking: boolean): void {
    if (thoughts === '') {
      return;
    }
    if (this.thoughts === null) {
      this.thoughts = new ThoughtsView();
      this.markdown.clear();
      this.element.prepend(this.thoughts.element);
    }
    this.thoughts.update(thoughts, thoughtsTitle(seconds, isThinking));
  }

  /** Show a text of ours under the message; '' for none. */
  showMark(text: string): void {
    setText(this.mark, text);
    this.mark.hidden = text === '';
  }

  /** Show a text of ours in place of an answer that has not begun. */
  showNotice(text: string): void {
    this.markdown.clear();
    this.content.append(h('span', { class: 'a3s-quiet' }, text));
  }
}

class ThoughtsView {
  private readonly summary = h('summary', { class: 'a3s-quiet' });
  private readonly content = h('div', { class: 'a3s-thoughts', dir: 'auto' });
  readonly element = h('details', { class: 'a3s-folded' }, this.summary, this.content);
  private readonly markdown = new MarkdownView(this.content);
  private thoughts = '';

  constructor() {
    this.element.addEventListener('toggle', () => this.draw());
  }

  update(thoughts: string, title: string): void {
    this.thoughts = thoughts;
    setText(this.summary, title);
    this.draw();
  }

  /** Render the thoughts only where they can be seen, because they are long. */
  private draw(): void {
    if (this.element.open) {
      this.markdown.show(this.thoughts);
    }
  }
}

function folded(line: string, text: string): HTMLElement {
  const summary = h('summary', {}, h('code', { dir: 'auto' }, line));
  return h('details', { class: 'a3s-folded' }, summary, h('pre', { dir: 'auto' }, text));
}
