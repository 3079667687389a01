/** The content of the sidebar: one chat at a time, and the list of all. Loaded when it is shown. */

import type { PowerEvent } from '../../api/types.js';
import type { Question } from '../tokens.js';
import type { AssistantServices } from './services.js';
import { OpenChat } from './openChat.js';
import { titleOf } from '../../views/chats/chatRow.js';
import { ChatList } from '../../views/chats/chatList.js';
import { PresetsEditor } from '../../views/chats/presetsEditor.js';
import { ServerPresets } from '../../views/chats/serverPresets.js';
import { h, root, setText } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';
import { icon, type IconName } from '../../views/icons.js';

interface Overlay {
  readonly element: HTMLElement;
  focus(): void;
  dispose(): void;
  receive?(event: PowerEvent): void;
}

export class Sidebar {
  readonly element: HTMLElement;
  private readonly title = h('span', { class: 'a3s-chats-current', dir: 'auto' });
  private readonly listButton = this.iconButton(trans.__('Chats'), 'history', () =>
    this.toggleList()
  );
  private readonly tabButton = this.iconButton(trans.__('Open in a tab'), 'open', () =>
    this.moveToTab()
  );
  private readonly body = h('div', { class: 'a3s-chats-body' });
  private readonly presets: ServerPresets;
  private overlay: Overlay | null = null;
  private chat: OpenChat;
  /** Chats that were left while they were answering. */
  private readonly answering = new Map<string, OpenChat>();
  private stopWatching: () => void = () => undefined;
  private readonly stopEvents: () => void;

  /** `id` is the chat to show first; '' for a new one. `onChange` is called for a new title. */
  constructor(
    private readonly services: AssistantServices,
    id: string,
    private readonly onChange: () => void = () => undefined
  ) {
    const { store } = services;
    this.presets = new ServerPresets(store.transport, () => this.managePresets());
    void this.presets.load().catch(() => undefined); // the editor says why
    const newButton = this.iconButton(trans.__('New chat'), 'add', () => this.newChat());
    this.element = root(
      'a3s-assistant',
      h(
        'div',
        { class: 'a3s-chats-header' },
        this.listButton,
        this.title,
        newButton,
        ...(services.openTab ? [this.tabButton] : [])
      ),
      this.body
    );
    this.listButton.setAttribute('aria-expanded', 'false');
    this.chat = this.create(id === '' ? null : id);
    this.show(this.chat);
    this.stopEvents = store.onEvent(event => {
      this.presets.receive(event);
      this.overlay?.receive?.(event);
    });
  }

  get current(): OpenChat {
    return this.chat;
  }

  /** Id of the chat that is shown; '' if it is not saved. */
  get id(): string {
    const { document, session } = this.chat;
    return session.conversation.messages.length > 0 ? document.id : '';
  }

  get isAnswering(): boolean {
    return [this.chat, ...this.answering.values()].some(chat => chat.isAnswering);
  }

  dispose(): void {
    this.closeOverlay();
    this.stopWatching();
    this.stopEvents();
    for (const chat of [this.chat, ...this.answering.values()]) {
      chat.dispose();
    }
  }

  focus(): void {
    (this.overlay ?? this.chat).focus();
  }

  /** Save the answers that are generated, because the page ends. */
  saveLast(): void {
    for (const { session, document } of [this.chat, ...this.answering.values()]) {
      session.saveNow();
      document.saveLast();
    }
  }

  /** Begin a chat with a model; '' for the one that was chosen last. */
  newChat(model = ''): OpenChat {
    this.show(this.create(null, model));
    this.chat.focus();
    return this.chat;
  }

  /** Begin a chat with a question. A chat without messages keeps the draft in it. */
  ask({ text, attachments, send, model = '', title = '' }: Question): void {
    if (this.chat.isEmpty) {
      this.closeOverlay();
      this.chat.setModel(model);
    } else {
      this.newChat(model);
    }
    this.chat.document.propose(title);
    this.chat.suggest(text, attachments, send);
  }

  open(id: string): void {
    if (id !== this.chat.document.id) {
      this.show(this.answering.get(id) ?? this.create(id));
      this.answering.delete(id);
    } else {
      this.closeOverlay();
    }
    this.chat.focus();
  }

  private create(id: string | null, model = ''): OpenChat {
    const { store, host, page } = this.services;
    const own = { ...host, presets: this.presets, newChat: () => void this.newChat() };
    return new OpenChat(store, own, page, id, model);
  }

  private show(chat: OpenChat): void {
    const left = this.chat;
    this.closeOverlay();
    this.stopWatching();
    this.chat = chat;
    this.body.replaceChildren(chat.element);
    if (left !== chat) {
      this.leave(left);
      this.services.drafts.restore(chat);
    }
    const stopMeta = chat.document.onMeta(() => this.update());
    const stopSession = chat.session.subscribe(() => this.update());
    this.stopWatching = () => {
      stopMeta();
      stopSession();
    };
    this.update();
  }

  /** Keep the draft of a chat that is left, let its answer go on, and close it then. */
  private leave(chat: OpenChat): void {
    this.services.drafts.keep(chat);
    if (!chat.isAnswering) {
      chat.dispose();
      return;
    }
    const { id } = chat.document;
    this.answering.set(id, chat);
    const stop = chat.session.subscribe(() => {
      if (!chat.isAnswering || this.chat === chat) {
        stop();
        if (this.answering.delete(id)) {
          chat.dispose();
        }
      }
    });
  }

  private update(): void {
    const { document, session } = this.chat;
    if (document.isDeleted) {
      queueMicrotask(() => {
        if (this.chat.document === document) {
          this.show(this.create(null));
        }
      });
    }
    const title = titleOf(document);
    setText(this.title, title);
    this.title.title = title;
    this.tabButton.disabled = session.conversation.messages.length === 0;
    this.onChange();
  }

  private moveToTab(): void {
    const { id } = this.chat.document;
    this.newChat(); // which leaves the chat, so that only the tab goes on with its answer
    this.answering.get(id)?.dispose();
    this.answering.delete(id);
    this.services.openTab?.(id);
  }

  private toggleList(): void {
    if (this.overlay instanceof ChatList) {
      this.closeOverlay();
      this.listButton.focus();
      return;
    }
    const { services } = this;
    const list = new ChatList(services.store.transport, {
      open: id => this.open(id),
      openInTab: services.openTab,
      export: (chat, format) => services.export(chat, format),
      close: () => {
        this.closeOverlay();
        this.listButton.focus();
      }
    });
    this.openOverlay(list);
    this.listButton.setAttribute('aria-expanded', 'true');
  }

  private managePresets(): void {
    this.openOverlay(
      new PresetsEditor(this.presets, () => {
        this.closeOverlay();
        this.chat.focus();
      })
    );
  }

  private openOverlay(overlay: Overlay): void {
    this.closeOverlay();
    this.overlay = overlay;
    this.chat.element.hidden = true;
    this.body.append(overlay.element);
    overlay.focus();
  }

  private closeOverlay(): void {
    this.overlay?.dispose();
    this.overlay?.element.remove();
    this.overlay = null;
    this.chat.element.hidden = false;
    this.listButton.setAttribute('aria-expanded', 'false');
  }

  private iconButton(label: string, name: IconName, run: () => void): HTMLButtonElement {
    const attributes = {
      type: 'button',
      class: 'a3s-icon-button',
      'aria-label': label,
      title: label
    };
    const element = h('button', attributes, icon(name));
    element.addEventListener('click', run);
    return element;
  }
}
