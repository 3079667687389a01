/** Chats in tabs of JupyterLab, without a notebook or a kernel. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { IStateDB } from '@jupyterlab/statedb';
import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Store } from '../state/store.js';
import { ChatView } from '../views/chat/chatView.js';
import {
  type Conversation,
  type ConversationStore,
  EMPTY_CONVERSATION
} from '../views/chat/conversation.js';
import { PAGE_HOST } from '../views/chat/host.js';
import { readConversation } from '../views/chat/savedConversation.js';
import { ChatSession } from '../views/chat/session.js';
import { trans } from '../views/i18n.js';
import { svgOf } from '../views/icons.js';

/** The command that opens a chat with the model in its argument `model`. */
export const CHAT_COMMAND = 'a3s-power:open-chat';

export const chatIcon = new LabIcon({ name: 'a3s-power:chat', svgstr: svgOf('chat') });

/** Keeps a conversation in JupyterLab's state database, which is saved with the workspace. */
class SavedConversation implements ConversationStore {
  private readonly listeners = new Set<() => void>();
  private isChanged = false;

  constructor(
    private readonly key: string,
    private readonly state: IStateDB | null,
    private conversation: Conversation
  ) {
    void this.load();
  }

  get(): Conversation {
    return this.conversation;
  }

  set(conversation: Conversation): void {
    this.isChanged = true;
    this.conversation = conversation;
    void this.state?.save(this.key, conversation as never);
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Read what was saved, which JupyterLab has only after all plugins are activated. */
  private async load(): Promise<void> {
    const saved = readConversation(await this.state?.fetch(this.key));
    if (saved !== null && !this.isChanged) {
      this.conversation = saved;
      this.listeners.forEach(listener => listener());
    }
  }
}

class ChatPanel extends Widget {
  private readonly session: ChatSession;
  private view: ChatView | null = null;

  /** `model` is the one that the chat was opened with. The user may choose another in the chat. */
  constructor(
    readonly model: string,
    private readonly store: Store,
    state: IStateDB | null,
    private readonly openModels: () => void
  ) {
    super();
    this.id = `a3s-power-chat-${encodeURIComponent(model)}`;
    this.addClass('a3s-chat-panel');
    this.node.tabIndex = -1; // Focusable, because the shell makes the focused widget current.
    this.title.icon = chatIcon;
    this.title.closable = true;
    const conversation = { ...EMPTY_CONVERSATION, model };
    const saved = new SavedConversation(`a3s-power-chats:${model}`, state, conversation);
    this.session = new ChatSession(store.transport, saved);
    this.session.subscribe(() => this.showTitle());
    this.showTitle();
  }

  override dispose(): void {
    this.session.dispose();
    super.dispose();
  }

  protected override onAfterAttach(_message: Message): void {
    this.view = new ChatView(this.store, this.session, {
      ...PAGE_HOST,
      openModels: this.openModels
    });
    this.node.append(this.view.element);
  }

  protected override onActivateRequest(_message: Message): void {
    (this.node.querySelector('textarea') ?? this.node).focus();
  }

  protected override onCloseRequest(_message: Message): void {
    this.dispose();
  }

  protected override onBeforeDetach(_message: Message): void {
    this.view?.dispose();
    this.view?.element.remove();
    this.view = null;
  }

  private showTitle(): void {
    const model = this.session.conversation.model || trans.__('Chat');
    this.title.label = model.split('/').pop() ?? model; // owners would fill a narrow tab
    this.title.caption = trans.__('Chat with %1', model);
  }
}

/** Opens one tab for each model. What was said in a tab that was closed is there when it is opened. */
export class ChatManager {
  private readonly tracker = new WidgetTracker<ChatPanel>({ namespace: 'a3s-power-chat' });

  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly store: Store,
    restorer: ILayoutRestorer | null,
    private readonly state: IStateDB | null,
    private readonly openModels: () => void
  ) {
    void restorer?.restore(this.tracker, {
      command: CHAT_COMMAND,
      args: ({ model }) => ({ model, activate: false }),
      name: ({ model }) => model
    });
  }

  open(model: string, activate: boolean): void {
    const { shell } = this.app;
    let panel = this.tracker.find(widget => widget.model === model);
    if (panel === undefined) {
      panel = new ChatPanel(model, this.store, this.state, this.openModels);
      shell.add(panel, 'main', { activate });
      void this.tracker.add(panel);
    }
    if (activate) {
      shell.activateById(panel.id);
    }
  }
}
