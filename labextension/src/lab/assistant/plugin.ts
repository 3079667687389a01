/** The JupyterLab plugin of the assistant: a chat in the right sidebar, and chats in tabs. */

import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Clipboard, ICommandPalette, WidgetTracker } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';

import { trans } from '../../views/i18n.js';
import { chatIcon } from '../icons.js';
import { Drafts } from '../../views/chats/drafts.js';
import { LastModel } from '../../views/chats/lastModel.js';
import { LazyWidget } from '../lazyWidget.js';
import { leavePageState, type PageStorage, takePageState } from '../../views/chats/pageState.js';
import { IAssistant, INotebookContext, IPower, type Question } from '../tokens.js';
import { CHAT_COMMAND, CHAT_TAB_COMMAND } from './commands.js';
import { exportChat } from './exporting.js';
import type { AssistantServices } from './services.js';
import type { Sidebar } from './sidebar.js';
import type { ChatTab } from './tab.js';

/** The method of Notebook 7's shell that expands the right sidebar to show a widget. */
interface Sidebars {
  expandRight?(id: string): void;
}

export const assistantPlugin: JupyterFrontEndPlugin<IAssistant> = {
  id: 'a3s-power-jupyter:assistant',
  description: 'A chat with local language models in the sidebar.',
  autoStart: true,
  provides: IAssistant,
  requires: [IPower],
  optional: [
    ICommandPalette,
    IDefaultFileBrowser,
    ILabShell,
    ILauncher,
    ILayoutRestorer,
    INotebookContext
  ],
  activate: (
    app: JupyterFrontEnd,
    power: IPower,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null,
    labShell: ILabShell | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    context: INotebookContext | null
  ) => {
    const { store } = power;
    const storage = pageStorage(() => window.sessionStorage);
    const lastModel = new LastModel(
      pageStorage(() => window.localStorage),
      store.transport.baseUrl ?? ''
    );
    const left = takePageState(storage);
    let services: Promise<AssistantServices> | null = null;
    const servicesOnce = () => (services ??= makeServices());
    const makeServices = async (): Promise<AssistantServices> => {
      const notebook = await context?.load();
      return {
        store,
        host: {
          ...notebook,
          copy: copyText,
          defaultModel: lastModel,
          openModels: () => power.openModels()
        },
        page: left.page,
        drafts: new Drafts(),
        ...(labShell && {
          openTab: (id: string) => void app.commands.execute(CHAT_TAB_COMMAND, { id })
        }),
        export: (chat, format) =>
          exportChat(store.transport, app.serviceManager.contents, browser, chat, format)
      };
    };

    const panel = new LazyWidget<Sidebar>(async () => {
      const [{ Sidebar }, shared] = await Promise.all([import('./sidebar.js'), servicesOnce()]);
      return new Sidebar(shared, left.chat);
    });
    panel.id = 'a3s-power-assistant';
    panel.addClass('a3s-chat-panel');
    panel.title.icon = chatIcon;
    panel.title.caption = trans.__('Assistant');
    app.shell.add(panel, 'right', { rank: 600 });
    restorer?.add(panel, 'a3s-power-assistant');
    if (left.isAnswering) {
      panel.load().catch(() => undefined); // it says why when it is shown
    }
    const show = () => {
      const shell: JupyterFrontEnd.IShell & Sidebars = app.shell;
      shell.activateById(panel.id);
      if (!panel.isVisible) {
        shell.expandRight?.(panel.id);
      }
      return panel.load();
    };

    const tabs = new WidgetTracker<LazyWidget<ChatTab>>({ namespace: 'a3s-power-chat' });
    const ids = new WeakMap<LazyWidget<ChatTab>, string>();
    const openTab = (id: string, activate: boolean) => {
      let tab = tabs.find(widget => ids.get(widget) === id);
      if (tab === undefined) {
        const added = new LazyWidget<ChatTab>(async () => {
          const [{ ChatTab }, shared] = await Promise.all([import('./tab.js'), servicesOnce()]);
          return new ChatTab(shared, id, title => {
            added.title.label = title;
            added.title.caption = title;
          });
        });
        added.id = `a3s-power-chat-${id}`;
        added.addClass('a3s-chat-panel');
        added.title.icon = chatIcon;
        added.title.label = trans.__('Chat');
        added.title.closable = true;
        ids.set(added, id);
        app.shell.add(added, 'main', { activate });
        void tabs.add(added);
        tab = added;
      }
      if (activate) {
        app.shell.activateById(tab.id);
      }
    };
    app.commands.addCommand(CHAT_COMMAND, {
      label: trans.__('Chat with a Local Model'),
      caption: trans.__('Open the assistant, without a notebook'),
      icon: chatIcon,
      execute: async args => {
        const model = args['model'] as string | undefined;
        const sidebar = await show();
        if (model) {
          sidebar.newChat(model);
        }
      }
    });
    app.commands.addCommand(CHAT_TAB_COMMAND, {
      label: trans.__('Open a Chat in a Tab'),
      execute: args => openTab(args['id'] as string, args['activate'] !== false)
    });
    void restorer?.restore(tabs, {
      command: CHAT_TAB_COMMAND,
      args: tab => ({ id: ids.get(tab) ?? '', activate: false }),
      name: tab => ids.get(tab) ?? ''
    });
    palette?.addItem({ command: CHAT_COMMAND, category: 'Power' });
    launcher?.add({ command: CHAT_COMMAND, category: 'Other', rank: 50 });

    window.addEventListener('pagehide', () => {
      const sidebar = panel.loaded;
      leavePageState(storage, {
        page: left.page,
        chat: sidebar === null ? left.chat : sidebar.id,
        isAnswering: sidebar === null ? left.isAnswering : sidebar.isAnswering
      });
      sidebar?.saveLast();
      tabs.forEach(tab => tab.loaded?.saveLast());
    });
    window.addEventListener('pageshow', event => {
      if (event.persisted) {
        takePageState(storage); // this page goes on itself
      }
    });

    return {
      open: async (question?: Question) => {
        const sidebar = await show();
        if (question) {
          sidebar.ask(question);
        }
      },
      get model() {
        const shown = panel.loaded?.current.session.conversation.model ?? '';
        return shown === '' ? lastModel.get() : shown;
      }
    };
  }
};

/** Copy a text. Browsers have no `navigator.clipboard` on pages that are neither local nor HTTPS. */
async function copyText(text: string): Promise<void> {
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text);
  } else {
    Clipboard.copyToSystem(text);
  }
}

/** Return a storage of the browser; one that forgets where the browser allows none. */
function pageStorage(storage: () => PageStorage): PageStorage {
  try {
    return storage();
  } catch {
    return { getItem: () => null, setItem: () => undefined, removeItem: () => undefined };
  }
}
