/** A chat that is open in the page: its document, its session and its view. */

import type { Store } from '../../state/store.js';
import { messageOf } from '../../api/transport.js';
import type { Draft } from '../../views/chat/draft.js';
import type { ChatHost } from '../../views/chat/host.js';
import { ChatView } from '../../views/chat/chatView.js';
import { ChatSession } from '../../views/chat/session.js';
import { callQuestions } from '../../views/chat/toolCallQuestion.js';
import { ToolLoop } from '../../views/chat/toolLoop.js';
import { ChatDocument, newChatId } from '../../views/chats/chatDocument.js';
import type { Drafted } from '../../views/chats/drafts.js';
import { resumeAnswers } from '../../views/chats/resuming.js';
import { button, h, setText } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';

export class OpenChat implements Drafted {
  readonly element: HTMLElement;
  readonly document: ChatDocument;
  readonly session: ChatSession;
  private readonly view: ChatView;
  private readonly note = h('span', { dir: 'auto' });
  private readonly retryButton = button(trans.__('Try again'), () => void this.retry());
  private readonly bar: HTMLElement;
  private readonly isNew: boolean;
  private failure = '';
  private readonly ends: readonly (() => void)[];

  /** `id` is that of a chat of the server; null for a new one. */
  constructor(
    store: Store,
    private readonly host: ChatHost,
    page: string,
    id: string | null,
    model = ''
  ) {
    this.isNew = id === null;
    this.document = new ChatDocument(store.transport, id ?? newChatId(), this.isNew);
    const { tools } = host;
    const runner = tools === undefined ? null : new ToolLoop(tools, callQuestions);
    this.session = new ChatSession(store.transport, this.document, runner, undefined, page);
    this.setModel(model);
    this.view = new ChatView(store, this.session, host);
    this.bar = h('div', { class: 'a3s-chats-bar a3s-row', role: 'status' }, this.note);
    this.element = h('div', { class: 'a3s-chats-chat' }, this.bar, this.view.element);
    this.ends = [
      this.document.onMeta(() => this.showSaving()),
      resumeAnswers(store, this.session),
      store.onEvent(event => this.document.receive(event))
    ];
    this.showSaving();
    if (id !== null) {
      void this.load();
    }
  }

  get isAnswering(): boolean {
    return this.session.phase === 'answering';
  }

  /** Whether it is a new chat without a question. */
  get isEmpty(): boolean {
    return this.isNew && this.session.conversation.messages.length === 0;
  }

  get draftKey(): string {
    return this.isEmpty ? '' : this.document.id;
  }

  get draft(): Draft {
    return this.session.draft;
  }

  set draft(draft: Draft) {
    this.view.setDraft(draft);
  }

  /** Choose a model; '' leaves the one that is chosen. */
  setModel(model: string): void {
    if (model !== '') {
      this.session.setModel(model);
      this.host.defaultModel?.set(model);
    }
  }

  /** Begin with a question. The user sends it unless `send` is set. */
  suggest(...question: Parameters<ChatView['suggest']>): void {
    this.view.suggest(...question);
  }

  focus(): void {
    this.element.querySelector<HTMLElement>('form textarea')?.focus();
  }

  dispose(): void {
    this.view.dispose();
    this.session.dispose();
    this.ends.forEach(end => end());
    this.document.dispose();
    this.element.remove();
  }

  private async load(): Promise<void> {
    try {
      await this.document.load();
      this.failure = '';
    } catch (error) {
      this.failure = messageOf(error);
    }
    this.showSaving();
  }

  private async retry(): Promise<void> {
    if (this.failure !== '') {
      await this.load();
    }
    this.document.retryNow();
    this.focus();
  }

  /** Say what is not saved, and why. */
  private showSaving(): void {
    const { saving, isCopy } = this.document;
    let text = '';
    if (this.failure !== '') {
      text = trans.__('The chat cannot be read. %1', this.failure);
    } else if (saving.kind === 'waiting') {
      text = trans.__('Not saved yet; trying again. %1', saving.reason);
    } else if (saving.kind === 'failed') {
      text = trans.__('Not saved. %1', saving.reason);
    } else if (isCopy) {
      text = trans.__('Another page has changed this chat, so this is a copy with your messages.');
    }
    setText(this.note, text);
    this.bar.hidden = text === '';
    const canRetry = this.failure !== '' || saving.kind === 'waiting' || saving.kind === 'failed';
    if (canRetry !== this.retryButton.isConnected) {
      if (canRetry) {
        this.bar.append(this.retryButton);
      } else {
        this.retryButton.remove();
      }
    }
  }
}
