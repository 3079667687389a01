/** The list of chats: search, open, rename, delete and export them. */

import { messageOf, type Transport } from '../../api/transport.js';
import type { ChatSummary, PowerEvent } from '../../api/types.js';
import { button, h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import { ChatRow, type RowHost } from './chatRow.js';

/** Milliseconds after the last key before a search. */
const PAUSE = 250;

/** Rows that are shown; a search finds the others. */
const MAX_ROWS = 200;

export interface ListHost extends RowHost {
  /** Close the list. */
  close(): void;
}

interface Reply {
  readonly data: readonly ChatSummary[];
  readonly problems?: readonly { readonly message: string }[];
}

export class ChatList {
  readonly element: HTMLElement;
  private readonly search = h('input', {
    type: 'search',
    class: 'a3s-chats-search',
    dir: 'auto',
    maxlength: '200',
    placeholder: trans.__('Search chats'),
    'aria-label': trans.__('Search chats')
  });
  private readonly rows = h('ul', { class: 'a3s-chats-rows', 'aria-label': trans.__('Chats') });
  private readonly note = h('p', { class: 'a3s-quiet', role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly shown = new Map<string, ChatRow>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | null = null;

  constructor(
    private readonly transport: Transport,
    private readonly host: ListHost
  ) {
    this.search.addEventListener('input', () => this.loadSoon());
    this.element = h(
      'div',
      { class: 'a3s-chats', role: 'region', 'aria-label': trans.__('Chats') },
      h(
        'div',
        { class: 'a3s-row' },
        this.search,
        button(trans.__('Close'), () => host.close())
      ),
      this.error,
      this.rows,
      this.note
    );
    this.element.addEventListener('keydown', event => this.onKey(event));
    void this.load();
  }

  focus(): void {
    this.search.focus();
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.request?.abort();
  }

  /** Follow the changes of chats. */
  receive(event: PowerEvent): void {
    if (event.type === 'chat' && this.shown.has(event.chat.id)) {
      this.shown.get(event.chat.id)?.update(event.chat);
    } else if (
      event.type === 'chat' ||
      event.type === 'chat_deleted' ||
      event.type === 'snapshot'
    ) {
      this.loadSoon();
    }
  }

  private loadSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), PAUSE);
  }

  private async load(): Promise<void> {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    const query = this.search.value.trim();
    const path = `assistant/chats?query=${encodeURIComponent(query)}`;
    try {
      const reply = (await this.transport.request('GET', path, undefined, request.signal)) as Reply;
      this.show(reply, query);
    } catch (error) {
      if (!request.signal.aborted) {
        setText(this.error, messageOf(error));
      }
    }
  }

  private show({ data, problems = [] }: Reply, query: string): void {
    const { activeElement } = document;
    const chats = data.slice(0, MAX_ROWS);
    const ids = new Set(chats.map(({ id }) => id));
    for (const id of this.shown.keys()) {
      if (!ids.has(id)) {
        this.shown.delete(id);
      }
    }
    const rows = chats.map(chat => {
      const row = this.shown.get(chat.id) ?? new ChatRow(this.transport, chat, this.host);
      row.update(chat);
      this.shown.set(chat.id, row);
      return row.element;
    });
    this.rows.replaceChildren(...rows);
    const wasInside = activeElement instanceof HTMLElement && this.rows.contains(activeElement);
    if (wasInside) {
      activeElement.focus(); // which moving its row has taken away
    }
    setText(this.error, problems.map(({ message }) => message).join('\n'));
    setText(this.note, noteText(data.length, query));
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      event.preventDefault();
      this.host.close();
      return;
    }
    const titles = [...this.rows.querySelectorAll<HTMLElement>('.a3s-chats-open')];
    const index = titles.indexOf(document.activeElement as HTMLElement);
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0 && (index >= 0 || document.activeElement === this.search)) {
      event.preventDefault();
      (titles[index + step] ?? (step < 0 ? this.search : titles.at(-1)))?.focus();
    }
  }
}

function noteText(count: number, query: string): string {
  if (count === 0) {
    return query === '' ? trans.__('No chats yet.') : trans.__('No chat contains these words.');
  }
  return count > MAX_ROWS
    ? trans.__('%1 more. Search to find them.', String(count - MAX_ROWS))
    : '';
}
