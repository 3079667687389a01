/** The messages of a chat, and the answer that is being generated. */

import { h } from '../dom.js';
import { trans } from '../i18n.js';
import type { ShownAnswer } from './answering.js';
import type { Message } from './chatCompletion.js';
import { MessageView } from './messageView.js';
import { thoughtsOf } from './messageText.js';
import type { Phase } from './session.js';

/** The log follows new text while it is scrolled to within this many pixels of its end. */
const SCROLL_MARGIN = 40;

export class ChatLog {
  readonly element = h('div', {
    class: 'a3s-log',
    role: 'log',
    tabindex: '0',
    'aria-label': trans.__('Conversation')
  });
  private readonly shown: { readonly message: Message; readonly view: MessageView }[] = [];
  private answer: MessageView | null = null;
  /** Seconds of thinking of the answer that is shown. */
  private seconds: number | null = null;

  /** Show a conversation. Messages that are shown already stay as they are. */
  update(messages: readonly Message[], answer: ShownAnswer | null, phase: Phase): void {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    const follows = scrollHeight - scrollTop - clientHeight < SCROLL_MARGIN;
    const count = this.shown.length;
    let same = 0;
    while (same < count && this.shown[same]?.message === messages[same]) {
      same += 1;
    }
    for (const { view } of this.shown.splice(same)) {
      view.element.remove();
    }
    for (const message of messages.slice(same)) {
      const view = new MessageView(message);
      if (this.seconds !== null && answer === null && message === messages.at(-1)) {
        view.showThoughts(thoughtsOf(message), this.seconds, false);
      }
      this.shown.push({ message, view });
      this.element.insertBefore(view.element, this.answer?.element ?? null);
    }
    this.showAnswer(answer, phase);
    this.element.setAttribute('aria-busy', String(phase === 'answering'));
    if (follows || messages.length > count) {
      this.element.scrollTop = this.element.scrollHeight;
    }
  }

  private showAnswer(answer: ShownAnswer | null, phase: Phase): void {
    if (answer === null) {
      this.answer?.element.remove();
      this.answer = null;
      this.seconds = null;
      return;
    }
    if (this.answer === null) {
      this.answer = new MessageView({ role: 'assistant', content: '' });
      this.element.append(this.answer.element);
    }
    const { content, thoughts, seconds, notice } = answer;
    this.seconds = seconds;
    const isThinking = content === '' && phase === 'answering';
    this.answer.showThoughts(thoughts, seconds, isThinking);
    if (notice !== '') {
      this.answer.showNotice(notice);
    } else if (content !== '') {
      this.answer.showAnswer(content);
    }
    this.answer.showMark(markOf(phase));
  }
}

function markOf(phase: Phase): string {
  switch (phase) {
    case 'interrupted':
      return trans.__('Incomplete: the answer was interrupted.');
    case 'elsewhere':
      return trans.__('Being answered on another page.');
    default:
      return '';
  }
}
