/** What became of the last answer: its tokens and speed or why it failed, and how to go on. */

import { button, h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import type { Asking } from './answering.js';
import { answerLine, measurementsOf } from './answerLine.js';
import type { Composer } from './composer.js';
import { attachmentsOf, questionOf } from './question.js';
import type { ChatSession } from './session.js';

export class Outcome {
  readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  readonly element: HTMLElement;
  private readonly status = h('span', { class: 'a3s-quiet', role: 'status' });
  private readonly continueButton: HTMLButtonElement;
  private readonly undoButton: HTMLButtonElement;
  private lastFailure = '';
  /** Why something else than an answer failed. */
  private trouble = '';

  constructor(
    private readonly session: ChatSession,
    asking: () => Asking,
    private readonly composer: Composer
  ) {
    // The box gets the focus, because the buttons may be gone afterwards.
    this.continueButton = button(trans.__('Continue'), () => {
      session.continue(asking());
      composer.focus();
    });
    this.undoButton = button(trans.__('Undo'), () => {
      session.undo();
      composer.focus();
    });
    this.element = h(
      'div',
      { class: 'a3s-row a3s-outcome' },
      this.continueButton,
      this.undoButton,
      this.status
    );
  }

  /** Show why something else than an answer failed; '' if it did not. */
  report(trouble: string): void {
    this.trouble = trouble;
    this.showError();
  }

  update(canAsk: boolean): void {
    const { error, isStopped, conversation, canContinue, canUndo } = this.session;
    this.showError();
    if (error !== this.lastFailure) {
      this.lastFailure = error;
      this.bringBack();
    }
    const measurements = measurementsOf(conversation.messages.at(-1)?.measurements);
    const line = measurements === null ? '' : answerLine(measurements);
    const deleted = canUndo ? trans.__('deleted') : '';
    const stopped = isStopped ? trans.__('stopped') : '';
    setText(this.status, [deleted, stopped, line].filter(Boolean).join(' · '));
    this.continueButton.hidden = !canContinue;
    this.continueButton.disabled = !canAsk;
    this.undoButton.hidden = !canUndo;
  }

  private showError(): void {
    setText(this.error, this.session.error || this.trouble);
  }

  /** Put a question that failed into the box again, if it is empty, so that it can be changed. */
  private bringBack(): void {
    const { failedQuestion } = this.session;
    const { text, attachments } = this.composer.draft;
    if (failedQuestion !== null && text === '' && attachments.length === 0) {
      const question = questionOf(failedQuestion);
      this.composer.setDraft({ text: question, attachments: attachmentsOf(failedQuestion) });
    }
  }
}
