/** A chat in a tab of the main area. Loaded when it is shown. */

import { titleOf } from '../../views/chats/chatRow.js';
import { ServerPresets } from '../../views/chats/serverPresets.js';
import { root } from '../../views/dom.js';
import { OpenChat } from './openChat.js';
import type { AssistantServices } from './services.js';

export class ChatTab {
  readonly element: HTMLElement;
  private readonly chat: OpenChat;

  constructor(
    private readonly services: AssistantServices,
    id: string,
    setTitle: (title: string) => void
  ) {
    const { store, host, page } = services;
    const presets = new ServerPresets(store.transport);
    void presets.load().catch(() => undefined); // the chat works without
    this.chat = new OpenChat(store, { ...host, presets }, page, id);
    services.drafts.restore(this.chat);
    this.element = root('a3s-assistant', this.chat.element);
    const { document } = this.chat;
    const showTitle = () => setTitle(titleOf(document));
    document.onMeta(showTitle);
  }

  focus(): void {
    this.chat.focus();
  }

  saveLast(): void {
    this.chat.session.saveNow();
    this.chat.document.saveLast();
  }

  dispose(): void {
    this.services.drafts.keep(this.chat);
    this.chat.dispose();
  }
}
