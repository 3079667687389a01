/** The title, the state and the buttons of a proposal. */

import { button, h, setText } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';

export interface ProposalActions {
  stop(): void;
  accept(): void;
  reject(): void;
  /** Show or hide the whole answer. */
  toggleAnswer(): void;
}

export interface ProposalState {
  readonly isDone: boolean;
  /** Whether there is code to accept. */
  readonly hasDiff: boolean;
  /** Whether the source has changed since the model was asked. */
  readonly isChanged: boolean;
  /** Whether some changes have been accepted already. */
  readonly isPartial: boolean;
  readonly status: string;
}

export class ProposalBar {
  readonly element: HTMLElement;
  private readonly status = h('span', { class: 'a3s-diff-status', role: 'status' });
  private readonly stopButton: HTMLButtonElement;
  private readonly acceptButton: HTMLButtonElement;
  private readonly rejectButton: HTMLButtonElement;
  private readonly answerButton: HTMLButtonElement;

  constructor(title: string, actions: ProposalActions) {
    const attributes = { class: 'a3s-button a3s-diff-button' };
    this.stopButton = button(trans.__('Stop'), () => actions.stop(), attributes);
    this.acceptButton = button(trans.__('Accept'), () => actions.accept(), {
      class: 'a3s-button a3s-diff-button a3s-diff-accept',
      title: trans.__('Replace the code with the new one (Ctrl+Enter)')
    });
    this.rejectButton = button(trans.__('Reject'), () => actions.reject(), {
      ...attributes,
      title: trans.__('Keep the code as it is (Escape)')
    });
    this.answerButton = button(trans.__('Show answer'), () => actions.toggleAnswer(), {
      ...attributes,
      'aria-expanded': 'false'
    });
    this.answerButton.hidden = true;
    this.element = h(
      'div',
      { class: 'a3s-diff-bar' },
      h('span', { class: 'a3s-diff-title' }, title),
      this.status,
      this.answerButton,
      this.stopButton,
      this.acceptButton,
      this.rejectButton
    );
  }

  show({ isDone, hasDiff, isChanged, isPartial, status }: ProposalState): void {
    this.stopButton.hidden = isDone;
    this.acceptButton.hidden = !hasDiff;
    this.acceptButton.disabled = isChanged;
    setText(this.acceptButton, isPartial ? trans.__('Accept rest') : trans.__('Accept'));
    setText(this.rejectButton, rejectText(isDone, hasDiff, isPartial));
    setText(this.status, status);
    this.status.classList.toggle('a3s-diff-changed', isChanged && hasDiff);
  }

  /** Say what was done, until the next change. */
  announce(text: string): void {
    setText(this.status, text);
  }

  /** Offer to show the whole answer, which is shown now or not. */
  showAnswerButton(isShown: boolean): void {
    this.answerButton.hidden = false;
    this.answerButton.setAttribute('aria-expanded', String(isShown));
    setText(this.answerButton, isShown ? trans.__('Hide answer') : trans.__('Show answer'));
  }
}

function rejectText(isDone: boolean, hasDiff: boolean, isPartial: boolean): string {
  if (!hasDiff) {
    return isDone ? trans.__('Close') : trans.__('Cancel');
  }
  return isPartial ? trans.__('Reject rest') : trans.__('Reject');
}
