/** One chat in the list, with its actions. */

import { messageOf, type Transport } from '../../api/transport.js';
import type { ChatSummary } from '../../api/types.js';
import { button, h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import { icon, type IconName } from '../icons.js';
import { chatPath } from './chat.js';

/** Text, icon and effect of an entry in the menu. */
type Action = [string, IconName, () => void];

export type ExportFormat = 'markdown' | 'notebook' | 'json';

export interface RowHost {
  open(id: string): void;
  /** Open a chat in a tab, where there are tabs. */
  readonly openInTab?: ((id: string) => void) | undefined;
  /** Export a chat, and return a sentence that says where it is. */
  export(chat: ChatSummary, format: ExportFormat): Promise<string>;
}

export class ChatRow {
  readonly element: HTMLElement;
  private readonly title = h('span', { class: 'a3s-chats-title', dir: 'auto' });
  private readonly facts = h('span', { class: 'a3s-chats-facts', dir: 'auto' });
  private readonly open = h(
    'button',
    { type: 'button', class: 'a3s-chats-open' },
    this.title,
    this.facts
  );
  private readonly menu: HTMLDetailsElement;
  private readonly below = h('div', { class: 'a3s-chats-below' });
  private readonly note = h('div', { class: 'a3s-note', role: 'status', dir: 'auto' });

  constructor(
    private readonly transport: Transport,
    private chat: ChatSummary,
    private readonly host: RowHost
  ) {
    this.open.addEventListener('click', () => host.open(this.chat.id));
    this.menu = this.createMenu();
    const line = h('div', { class: 'a3s-chats-line' }, this.open, this.menu);
    this.element = h('li', { class: 'a3s-chats-row' }, line, this.below, this.note);
    this.update(chat);
  }

  update(chat: ChatSummary): void {
    this.chat = chat;
    const title = titleOf(chat);
    setText(this.title, title);
    setText(this.facts, [chat.excerpt, factsOf(chat)].find(Boolean) ?? '');
    this.open.title = title;
  }

  private createMenu(): HTMLDetailsElement {
    const { openInTab } = this.host;
    const openTab = (open: (id: string) => void): Action => [
      trans.__('Open in a tab'),
      'open',
      () => open(this.chat.id)
    ];
    const actions: Action[] = [
      ...(openInTab ? [openTab(openInTab)] : []),
      [trans.__('Rename'), 'edit', () => this.rename()],
      [trans.__('Export as Markdown'), 'download', () => void this.export('markdown')],
      [trans.__('Export as notebook'), 'download', () => void this.export('notebook')],
      [trans.__('Export as JSON'), 'download', () => void this.export('json')],
      [trans.__('Delete'), 'delete', () => this.askToDelete()]
    ];
    const label = trans.__('More actions');
    const summary = h('summary', { 'aria-label': label, title: label }, icon('more'));
    const items = actions.map(([text, name, run]) => {
      const item = button(text, () => {
        this.menu.open = false;
        run();
      });
      item.className = 'a3s-chats-action';
      item.prepend(icon(name));
      return item;
    });
    const menu = h('details', { class: 'a3s-chats-menu' }, summary, h('div', {}, ...items));
    menu.addEventListener('keydown', event => {
      if (event.key === 'Escape' && menu.open) {
        event.stopPropagation();
        menu.open = false;
        summary.focus();
      }
    });
    menu.addEventListener('focusout', ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !menu.contains(relatedTarget)) {
        menu.open = false;
      }
    });
    return menu;
  }

  private rename(): void {
    const input = h('input', {
      type: 'text',
      dir: 'auto',
      maxlength: '200',
      'aria-label': trans.__('Title of the chat')
    });
    input.value = this.chat.title;
    const form = h(
      'form',
      { class: 'a3s-row' },
      input,
      h('button', { type: 'submit', class: 'a3s-button' }, trans.__('Rename')),
      button(trans.__('Cancel'), () => this.endQuestion())
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      const title = input.value.trim();
      void this.act(async () => {
        const changed = await this.transport.request('PATCH', chatPath(this.chat.id), { title });
        this.update(changed as ChatSummary);
        this.endQuestion();
      });
    });
    this.ask(form);
    input.focus();
    input.select();
  }

  private askToDelete(): void {
    const cancel = button(trans.__('Cancel'), () => this.endQuestion());
    const remove = button(trans.__('Delete'), () => void this.delete(), {
      class: 'a3s-button a3s-danger'
    });
    const question = trans.__('Delete this chat? This cannot be undone.');
    this.ask(
      h(
        'div',
        { role: 'group', 'aria-label': question, class: 'a3s-row' },
        question,
        remove,
        cancel
      )
    );
    cancel.focus();
  }

  private delete(): Promise<void> {
    return this.act(async () => {
      const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
      await this.transport.request('DELETE', chatPath(this.chat.id));
      this.element.remove();
      next?.querySelector<HTMLElement>('.a3s-chats-open')?.focus();
    });
  }

  private export(format: ExportFormat): Promise<void> {
    return this.act(async () => {
      setText(this.note, await this.host.export(this.chat, format));
    });
  }

  private async act(run: () => Promise<void>): Promise<void> {
    setText(this.note, '');
    try {
      await run();
    } catch (error) {
      setText(this.note, messageOf(error));
    }
  }

  private ask(question: HTMLElement): void {
    this.below.replaceChildren(question);
    question.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.endQuestion();
      }
    });
  }

  private endQuestion(): void {
    this.below.replaceChildren();
    this.open.focus();
  }
}

/** Return the title of a chat, or what to call it without one. */
export function titleOf({ title }: { readonly title: string }): string {
  return title || trans.__('New chat');
}

/** Return when a chat was changed, and its model. */
export function factsOf(chat: ChatSummary, now: Date = new Date()): string {
  const date = new Date(chat.updated_at * 1000);
  const isToday = date.toDateString() === now.toDateString();
  const when = isToday
    ? date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  const model = chat.model.split('/').pop() ?? '';
  return [when, model].filter(Boolean).join(' · ');
}
