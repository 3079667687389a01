/** The anywidget module of `Chat`, a separate bundle because of the Markdown renderer's size. */

import type { Store } from '../state/store.js';
import { ChatView } from '../views/chat/chatView.js';
import type { Conversation, ConversationStore, PartialAnswer } from '../views/chat/conversation.js';
import { type Message, parametersFrom } from '../views/chat/chatCompletion.js';
import { PAGE_HOST } from '../views/chat/host.js';
import { ChatSession } from '../views/chat/session.js';
import { savedChat } from '../views/saved/chat.js';
import { announceChange, offerSavedView } from '../views/saved/savedView.js';
import { type View, widget, type WidgetModel } from './widget.js';

/** Keeps the conversation in the traits of the widget. */
class TraitStore implements ConversationStore {
  constructor(private readonly model: WidgetModel) {}

  get(): Conversation {
    return {
      model: String(this.model.get('model')),
      parameters: parametersFrom(this.model.get('parameters')),
      messages: this.model.get('messages') as readonly Message[],
      answer: this.model.get('answer') as PartialAnswer | null
    };
  }

  set({ model, parameters, messages, answer }: Conversation): void {
    this.model.set('model', model);
    this.model.set('parameters', parameters);
    this.model.set('messages', messages);
    this.model.set('answer', answer);
    this.model.save_changes();
  }

  onChange(listener: () => void): () => void {
    this.model.on('change', listener);
    return () => this.model.off('change', listener);
  }
}

/** Return a function that makes the views of one widget, which share one session. */
function chatViews(): (model: WidgetModel, store: Store) => View {
  let session: ChatSession | null = null;
  return (model, store) => {
    session ??= new ChatSession(store.transport, new TraitStore(model));
    return createView(session, store);
  };
}

function createView(session: ChatSession, store: Store): View {
  const view = new ChatView(store, session, PAGE_HOST);
  let { messages } = session.conversation;
  const unsubscribe = session.subscribe(() => {
    const isNew = messages !== session.conversation.messages;
    if (isNew && session.phase !== 'answering') {
      ({ messages } = session.conversation);
      announceChange(view.element);
    }
  });
  offerSavedView(view.element, () => {
    const { conversation } = session;
    return savedChat(conversation.model, conversation.messages, conversation.answer);
  });
  return {
    element: view.element,
    dispose: () => {
      unsubscribe();
      view.dispose();
    }
  };
}

export default widget(chatViews);
