/** The place where presets are renamed and deleted. */

import { messageOf } from '../../api/transport.js';
import type { Parameters } from '../chat/chatCompletion.js';
import type { Preset } from '../chat/presets.js';
import { button, h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import type { ServerPresets } from './serverPresets.js';

export class PresetsEditor {
  readonly element: HTMLElement;
  private readonly rows = h('ul', { class: 'a3s-chats-rows', 'aria-label': trans.__('Presets') });
  private readonly note = h('p', { class: 'a3s-quiet' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly closeButton: HTMLButtonElement;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly presets: ServerPresets,
    close: () => void
  ) {
    this.closeButton = button(trans.__('Close'), close);
    this.element = h(
      'div',
      { class: 'a3s-chats', role: 'region', 'aria-label': trans.__('Presets') },
      h(
        'div',
        { class: 'a3s-row' },
        h('strong', { class: 'a3s-chats-grow' }, trans.__('Presets')),
        this.closeButton
      ),
      this.error,
      this.rows,
      this.note
    );
    this.element.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        close();
      }
    });
    this.unsubscribe = presets.onChange(() => this.show());
    this.show();
    void this.act(() => presets.load());
  }

  focus(): void {
    (this.rows.querySelector('input') ?? this.closeButton).focus();
  }

  dispose(): void {
    this.unsubscribe();
  }

  private show(): void {
    const presets = this.presets.list();
    const focused = this.rows.contains(document.activeElement);
    this.rows.replaceChildren(...presets.map(preset => this.row(preset)));
    setText(this.note, presets.length === 0 ? trans.__('No presets yet.') : '');
    if (focused) {
      this.focus();
    }
  }

  private row(preset: Preset): HTMLElement {
    const input = h('input', {
      type: 'text',
      dir: 'auto',
      maxlength: '100',
      'aria-label': trans.__('Name of the preset %1', preset.name)
    });
    input.value = preset.name;
    const rename = h('button', { type: 'submit', class: 'a3s-button' }, trans.__('Rename'));
    const remove = button(trans.__('Delete'), () => ask(), {
      'aria-label': trans.__('Delete %1', preset.name)
    });
    const form = h('form', { class: 'a3s-row' }, input, rename, remove);
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.act(() => this.presets.rename(preset, input.value.trim()));
    });
    const facts = h(
      'div',
      { class: 'a3s-chats-facts', dir: 'auto' },
      presetFacts(preset.parameters)
    );
    const item = h('li', { class: 'a3s-chats-row' }, form, facts);
    const ask = () => {
      const cancel = button(trans.__('Cancel'), () => {
        question.replaceWith(form);
        remove.focus();
      });
      const confirm = button(
        trans.__('Delete'),
        () => void this.act(() => this.presets.delete(preset.name)),
        { class: 'a3s-button a3s-danger' }
      );
      const text = h('span', { dir: 'auto' }, trans.__('Delete the preset %1?', preset.name));
      const question = h('div', { class: 'a3s-row' }, text, confirm, cancel);
      form.replaceWith(question);
      cancel.focus();
    };
    return item;
  }

  private async act(run: () => Promise<void>): Promise<void> {
    setText(this.error, '');
    try {
      await run();
    } catch (error) {
      setText(this.error, messageOf(error));
    }
  }
}

/** Return the parameters of a preset in one line. */
export function presetFacts({ system, tools, ...numbers }: Parameters): string {
  const facts = Object.entries(numbers).map(([name, value]) => `${name} ${String(value)}`);
  const named = tools === undefined || tools.length === 0 ? [] : [tools.join(', ')];
  return [...facts, ...named, ...(system ? [system.slice(0, 200)] : [])].join(' · ');
}
