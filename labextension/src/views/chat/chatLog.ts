/** The messages of a chat, and the answer that is being generated. */

import { h } from '../dom.js';
import { trans } from '../i18n.js';
import { NO_ANSWER, type ShownAnswer } from './answering.js';
import type { Message } from './chatCompletion.js';
import type { Tools } from './codeBlock.js';
import { callsOf, contentOf } from './messageText.js';
import { type Abilities, type MessageActions, MessageView } from './messageView.js';
import { isResult, resultsOf } from './results.js';
import type { ToolRunner } from './toolRunner.js';

/** The log follows new text while it is scrolled to within this many pixels of its end. */
const SCROLL_MARGIN = 40;

/** What the log shows. */
export interface Shown {
  readonly messages: readonly Message[];
  readonly answer: ShownAnswer | null;
  /** Text of ours under the answer; '' for none. */
  readonly mark: string;
  readonly isAnswering: boolean;
  readonly abilities: Abilities;
}

interface ShownMessage {
  readonly message: Message;
  readonly view: MessageView;
}

export class ChatLog {
  readonly element = h('div', {
    class: 'a3s-log',
    role: 'log',
    tabindex: '0',
    'aria-label': trans.__('Conversation')
  });
  private shown: ShownMessage[] = [];
  private answer: MessageView | null = null;
  /** Text of the answer that is shown. */
  private answerText = '';
  private follows = true;
  private readonly resizes = new ResizeObserver(() => this.follow());

  constructor(
    private readonly tools: Tools,
    private readonly actions: MessageActions,
    private readonly runner: ToolRunner | null
  ) {
    this.element.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.element;
      this.follows = scrollHeight - scrollTop - clientHeight < SCROLL_MARGIN;
    });
    this.resizes.observe(this.element);
  }

  dispose(): void {
    this.resizes.disconnect();
  }

  /** Show a conversation. Messages that are shown already stay as they are. */
  update({ messages, answer, mark, isAnswering, abilities }: Shown): void {
    const count = this.shown.length;
    const results = resultsOf(messages);
    const listed = messages.filter(message => !isResult(message, results));
    this.showMessages(listed, answer === null);
    this.showAnswer(answer, isAnswering, mark);
    this.shown.forEach(({ view }, index) => {
      view.update(this.answer === null && index === this.shown.length - 1, abilities);
      view.showOwnCalls(results.byId, this.runner);
    });
    this.answer?.update(true, { ...abilities, canEdit: false });
    const isWriting = isAnswering && !this.runner?.isActive; // questions have to be announced
    this.element.setAttribute('aria-busy', String(isWriting));
    this.follows ||= listed.length > count;
    this.follow();
  }

  /** Scroll to the end, unless the user has scrolled away from it. */
  private follow(): void {
    if (this.follows) {
      this.element.scrollTop = this.element.scrollHeight;
    }
  }

  /** Edit the last question. Returns false if there is none. */
  editLast(): boolean {
    const last = this.shown.filter(({ message }) => message.role === 'user').at(-1);
    last?.view.edit();
    return last !== undefined;
  }

  private showMessages(messages: readonly Message[], isComplete: boolean): void {
    let same = 0;
    while (same < this.shown.length && this.shown[same]?.message === messages[same]) {
      same += 1;
    }
    for (const { view } of this.shown.splice(same)) {
      view.element.remove();
    }
    for (const message of messages.slice(same)) {
      this.shown.push({ message, view: this.viewOf(message, isComplete) });
    }
  }

  /** Return a new view, or that of the answer which has become the message. */
  private viewOf(message: Message, isComplete: boolean): MessageView {
    const { answer } = this;
    // The last words may have come since the answer was shown.
    const isAnswer = message.role === 'assistant' && contentOf(message).startsWith(this.answerText);
    if (answer !== null && isAnswer && (isComplete || callsOf(message).length > 0)) {
      answer.show(message);
      this.answer = null;
      return answer;
    }
    const view = new MessageView(message, this.tools, this.actions);
    this.element.insertBefore(view.element, answer?.element ?? null);
    return view;
  }

  private showAnswer(answer: ShownAnswer | null, isAnswering: boolean, mark: string): void {
    if (answer === null) {
      this.answer?.element.remove();
      this.answer = null;
      return;
    }
    if (this.answer === null) {
      const message = { role: 'assistant', content: '' };
      this.answer = new MessageView(message, this.tools, this.actions);
      this.element.append(this.answer.element);
    }
    const { content, thoughts, seconds, notice, calls } = { ...NO_ANSWER, ...answer };
    this.answerText = content;
    this.answer.showThoughts(thoughts, seconds, content === '' && isAnswering);
    if (notice !== '') {
      this.answer.showNotice(notice);
    } else {
      this.answer.showAnswer(content);
    }
    this.answer.showCalls(calls, new Map(), this.runner);
    this.answer.showMark(mark);
    this.answer.showFooter(!isAnswering);
  }
}
