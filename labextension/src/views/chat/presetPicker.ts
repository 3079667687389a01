/** Chooses named parameters, and saves the present ones under a name. */

import { messageOf } from '../../api/transport.js';
import { button, h } from '../dom.js';
import { trans } from '../i18n.js';
import type { Parameters } from './chatCompletion.js';
import type { Presets } from './presets.js';

export class PresetPicker {
  private readonly select = h('select', { 'aria-label': trans.__('Preset') });
  private readonly name = h('input', {
    type: 'text',
    dir: 'auto',
    'aria-label': trans.__('Name of the preset'),
    placeholder: trans.__('Name')
  });
  readonly element: HTMLElement;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly presets: Presets,
    private readonly parameters: () => Parameters,
    onChoice: (parameters: Parameters) => void,
    private readonly report: (error: string) => void
  ) {
    const save = button(trans.__('Save as preset'), () => void this.save());
    const { manage } = presets;
    const more = manage ? [button(trans.__('Presets…'), manage)] : [];
    this.element = h('div', { class: 'a3s-row' }, this.select, this.name, save, ...more);
    this.element.addEventListener('change', event => event.stopPropagation());
    this.select.addEventListener('change', () => {
      const preset = presets.list().find(({ name }) => name === this.select.value);
      if (preset !== undefined) {
        this.name.value = preset.name;
        onChoice(preset.parameters);
      }
    });
    this.unsubscribe = presets.onChange(() => this.update());
    this.update();
  }

  dispose(): void {
    this.unsubscribe();
  }

  private update(): void {
    const chosen = this.select.value;
    const names = this.presets.list().map(({ name }) => name);
    this.select.replaceChildren(
      h('option', { value: '' }, trans.__('Choose a preset')),
      ...names.map(name => h('option', { value: name, dir: 'auto' }, name))
    );
    this.select.value = names.includes(chosen) ? chosen : '';
  }

  private async save(): Promise<void> {
    const name = this.name.value.trim();
    if (name === '') {
      this.report(trans.__('Give the preset a name.'));
      this.name.focus();
      return;
    }
    try {
      await this.presets.save({ name, parameters: this.parameters() });
      this.report('');
      this.select.value = name;
    } catch (error) {
      this.report(messageOf(error));
    }
  }
}
