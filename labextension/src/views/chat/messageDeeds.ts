/** What the buttons of messages do with a session. */

import { trans } from '../i18n.js';
import type { Asking } from './answering.js';
import type { Message } from './chatCompletion.js';
import type { MessageActions } from './messageView.js';
import type { ChatSession } from './session.js';
import { leavesQuestion } from './turns.js';

export class MessageDeeds implements MessageActions {
  /** `onEnd` is called when the button may be gone, so that something else needs the focus. */
  constructor(
    private readonly session: ChatSession,
    private readonly asking: () => Asking,
    private readonly onEnd: () => void
  ) {}

  edit(message: Message, text: string): boolean {
    const isAsked = this.session.edit(this.indexOf(message), text, this.asking());
    if (isAsked) {
      this.onEnd();
    }
    return isAsked;
  }

  editNote(message: Message): string {
    const { messages } = this.session.conversation;
    const isLast = this.indexOf(message) === messages.length - 1;
    return isLast ? '' : trans.__('The answer and what follows it will be replaced.');
  }

  delete(message: Message): void {
    this.session.delete(this.indexOf(message));
    this.onEnd();
  }

  deleteLabel(message: Message): string {
    const { messages } = this.session.conversation;
    const index = this.indexOf(message);
    const isAlone = leavesQuestion(messages, index) || messages[index + 1] === undefined;
    return isAlone ? trans.__('Delete') : trans.__('Delete question and answer');
  }

  regenerate(): void {
    this.session.regenerate(this.asking());
    this.onEnd();
  }

  private indexOf(message: Message): number {
    return this.session.conversation.messages.indexOf(message);
  }
}
