/** The anywidget module of `Chat`, a separate bundle because of the Markdown renderer's size. */

import type { Store } from '../state/store.js';
import type { Message } from '../views/chat/chatCompletion.js';
import { ChatView } from '../views/chat/chatView.js';
import { type View, widget, type WidgetModel } from './widget.js';

function createChatView(model: WidgetModel, store: Store): View {
  const messagesOf = () => model.get('messages') as readonly Message[];
  const initial = { model: String(model.get('model')), messages: messagesOf() };
  const view = new ChatView(store, initial, conversation => {
    model.set('model', conversation.model);
    model.set('messages', conversation.messages);
    model.save_changes();
  });
  const showMessages = () => view.replace(messagesOf());
  model.on('change:messages', showMessages);
  return {
    element: view.element,
    dispose: () => {
      model.off('change:messages', showMessages);
      view.dispose();
    }
  };
}

export default widget(createChatView);
