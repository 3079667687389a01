/** The widget of a conversation; apart from the others, for its Markdown is most of what they weigh. */

import type { Message } from './chat.js';
import { ChatView } from './chatView.js';
import type { Live } from './live.js';
import { type View, widget, type WidgetModel } from './widget.js';

function chatView(model: WidgetModel, live: Live): View {
  const start = {
    model: String(model.get('model')),
    messages: model.get('messages') as readonly Message[]
  };
  const view = new ChatView(live, start, conversation => {
    model.set('model', conversation.model);
    model.set('messages', conversation.messages);
    model.save_changes();
  });
  const showMessages = () => view.replace(model.get('messages') as readonly Message[]);
  model.on('change:messages', showMessages);
  return {
    element: view.element,
    dispose: () => {
      model.off('change:messages', showMessages);
      view.dispose();
    }
  };
}

export default widget(chatView);
