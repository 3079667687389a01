/** A conversation that is a file of the server. */

import { messageOf, RequestError, type Transport } from '../../api/transport.js';
import type { ChatSummary, PowerEvent } from '../../api/types.js';
import {
  type Conversation,
  type ConversationStore,
  EMPTY_CONVERSATION
} from '../chat/conversation.js';
import { type Chat, chatPath, conversationOf, isExtension, isSame } from './chat.js';

/** Milliseconds before a save is repeated: at first, and at most. */
const RETRY = 1_000;
const MAX_RETRY = 15_000;

/** Most bytes that browsers send after the end of a page. */
const MAX_LAST = 60_000;

/** What happens to the changes of this page. */
export type Saving =
  | { readonly kind: 'saved' | 'saving' }
  /** Not saved yet, but it will be tried again. */
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

const SAVED: Saving = { kind: 'saved' };

/**
 * Saves changes one after another, each with the revision that it is based on.
 *
 * If the server has another revision, the longer one of two versions is kept if it contains the
 * other. Otherwise, the version of this page becomes a chat of its own, so that neither is lost.
 */
export class ChatDocument implements ConversationStore {
  private readonly listeners = new Set<() => void>();
  private readonly metaListeners = new Set<() => void>();
  private current: Conversation = EMPTY_CONVERSATION;
  private base: Conversation = EMPTY_CONVERSATION;
  private revision = 0;
  private newest = 0;
  private name = '';
  private proposed = '';
  private state: Saving = SAVED;
  private isWriting = false;
  private retry = RETRY;
  private retrying: ReturnType<typeof setTimeout> | undefined;
  /** Whether the version of this page became a chat of its own. */
  isCopy = false;
  /** Whether the chat was deleted by another page, and nothing of it is unsaved here. */
  isDeleted = false;

  /** `id` is that of a chat of the server, or a new one with `isNew`. */
  constructor(
    private readonly transport: Transport,
    public id: string,
    private isNew: boolean,
    private readonly firstRetry = RETRY
  ) {}

  get title(): string {
    return this.name;
  }

  /** Set the title that the chat gets when it is created; '' for that of the server. */
  propose(title: string): void {
    this.proposed = title;
  }

  get saving(): Saving {
    return this.state;
  }

  get(): Conversation {
    return this.current;
  }

  set(conversation: Conversation): void {
    this.current = conversation;
    this.isDeleted = false;
    void this.write();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Call `listener` when the title, the id or the state of saving has changed. */
  onMeta(listener: () => void): () => void {
    this.metaListeners.add(listener);
    return () => this.metaListeners.delete(listener);
  }

  /** Read the chat. Rejects with the reason if it cannot be read. */
  async load(): Promise<void> {
    const chat = (await this.transport.request('GET', chatPath(this.id))) as Chat;
    if (this.current === this.base) {
      this.accept(chat);
    }
  }

  /** Follow what other pages do. */
  receive(event: PowerEvent): void {
    if (event.type === 'chat' && event.chat.id === this.id) {
      this.newest = Math.max(this.newest, event.chat.revision);
      this.setTitle(event.chat.title);
      void this.write();
    } else if (event.type === 'chat_deleted' && event.id === this.id && !this.isNew) {
      this.forget();
      this.isDeleted = this.current === this.base;
      this.notifyMeta();
    } else if (event.type === 'snapshot' && !this.isNew) {
      this.newest = this.revision + 1; // it may have changed while the events were not followed
      this.retryNow();
    }
  }

  /** Save what is left, without waiting for the reply. Called when the page ends. */
  saveLast(): void {
    const { answer } = this.current;
    if (this.isNew || this.current === this.base || answer === null) {
      return;
    }
    const body = { revision: this.revision, answer };
    if (isSame({ ...this.current, answer: null }, { ...this.base, answer: null })) {
      if (JSON.stringify(body).length < MAX_LAST) {
        this.transport.sendLast?.('PATCH', chatPath(this.id), body);
      }
    }
  }

  /** Try to save at once. */
  retryNow(): void {
    clearTimeout(this.retrying);
    this.retrying = undefined;
    void this.write();
  }

  /** Follow the chat no longer. Changes are still saved. */
  dispose(): void {
    this.listeners.clear();
    this.metaListeners.clear();
  }

  /** Write until the server has what this page has. Only one write is under way. */
  private async write(): Promise<void> {
    if (this.isWriting || this.retrying !== undefined) {
      return;
    }
    this.isWriting = true;
    try {
      while (this.isOutdated || this.isChanged) {
        if (this.isOutdated) {
          await this.merge();
        } else {
          this.setSaving({ kind: 'saving' });
          await this.writeOnce(this.current);
        }
      }
      this.retry = this.firstRetry;
      this.setSaving(SAVED);
    } catch (error) {
      this.fail(error);
    } finally {
      this.isWriting = false;
    }
  }

  /** Whether there is something to save. A chat begins with its first message. */
  private get isChanged(): boolean {
    const { current } = this;
    return current !== this.base && (!this.isNew || current.messages.length > 0);
  }

  /** Whether another page has changed the chat. */
  private get isOutdated(): boolean {
    return !this.isNew && this.newest > this.revision;
  }

  private async writeOnce(target: Conversation): Promise<void> {
    const { base, revision, proposed } = this;
    try {
      let reply: unknown;
      if (this.isNew) {
        const { answer, ...rest } = target;
        const title = proposed === '' ? {} : { title: proposed };
        const body = { id: this.id, ...title, ...rest, ...(answer && { answer }) };
        reply = await this.transport.request('POST', 'assistant/chats', body);
      } else if (isOnlyAnswer(base, target)) {
        const body = { revision, answer: target.answer };
        reply = await this.transport.request('PATCH', chatPath(this.id), body);
      } else {
        reply = await this.transport.request('PUT', chatPath(this.id), { revision, ...target });
      }
      const saved = reply as ChatSummary;
      this.isNew = false;
      this.revision = saved.revision;
      this.base = target;
      this.setTitle(saved.title);
    } catch (error) {
      const { status } = error as Partial<RequestError>;
      if (status === 409) {
        this.isNew = false;
        this.newest = Math.max(this.newest, this.revision + 1);
      } else if (status === 404 && (error as RequestError).code === 'chat_not_found') {
        this.forget(); // it was deleted, and goes on here as a new chat
      } else {
        throw error;
      }
    }
  }

  /** Compare with what the server has now. */
  private async merge(): Promise<void> {
    let chat: Chat;
    try {
      chat = (await this.transport.request('GET', chatPath(this.id))) as Chat;
    } catch (error) {
      if ((error as Partial<RequestError>).code !== 'chat_not_found') {
        throw error;
      }
      this.forget();
      this.isDeleted = this.current === this.base;
      this.notifyMeta();
      return;
    }
    const theirs = conversationOf(chat);
    const { current } = this;
    this.setTitle(chat.title);
    if (isSame(theirs, this.base) || isSame(theirs, current)) {
      this.revision = this.newest = chat.revision;
      this.base = isSame(theirs, current) ? current : this.base;
    } else if (current === this.base || isExtension(theirs, current)) {
      this.accept(chat);
    } else if (isExtension(current, theirs)) {
      this.revision = this.newest = chat.revision;
      this.base = theirs;
    } else {
      this.forget();
      this.isCopy = true;
      this.notifyMeta();
    }
  }

  /** Take over what the server has. */
  private accept(chat: Chat): void {
    this.current = this.base = conversationOf(chat);
    this.revision = this.newest = chat.revision;
    this.setTitle(chat.title);
    this.listeners.forEach(listener => listener());
  }

  /** Go on as a chat that the server does not have. */
  private forget(): void {
    this.id = newChatId();
    this.isNew = true;
    this.revision = this.newest = 0;
  }

  private fail(error: unknown): void {
    const isFinal = error instanceof RequestError && error.isFinal;
    this.setSaving({ kind: isFinal ? 'failed' : 'waiting', reason: messageOf(error) });
    if (!isFinal) {
      this.retrying = setTimeout(() => this.retryNow(), this.retry);
      this.retry = Math.min(2 * this.retry, MAX_RETRY);
    }
  }

  private setTitle(title: string): void {
    if (title !== this.name) {
      this.name = title;
      this.notifyMeta();
    }
  }

  private setSaving(state: Saving): void {
    if (state.kind !== this.state.kind) {
      this.state = state;
      this.notifyMeta();
    }
  }

  private notifyMeta(): void {
    this.metaListeners.forEach(listener => listener());
  }
}

/** Return an id for a chat that this page creates. */
export function newChatId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

/** Whether only the text of the answer differs, as while it is generated. */
function isOnlyAnswer(base: Conversation, target: Conversation): boolean {
  return (
    target.answer !== null &&
    base.messages === target.messages &&
    base.model === target.model &&
    base.parameters === target.parameters
  );
}
