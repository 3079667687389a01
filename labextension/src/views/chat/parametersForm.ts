/** The parameters of the answers in a chat. */

import { h } from '../dom.js';
import { trans } from '../i18n.js';
import type { Parameters } from './chatCompletion.js';

export class ParametersForm {
  readonly element: HTMLElement;
  private readonly temperature = h('input', { type: 'number', min: '0', max: '2', step: '0.1' });
  private readonly maxTokens = h('input', { type: 'number', min: '1', step: '1' });
  private readonly system = h('input', { type: 'text', dir: 'auto' });

  constructor() {
    const fields = [
      [trans.__('Temperature'), this.temperature],
      [trans.__('Max tokens'), this.maxTokens],
      [trans.__('System prompt'), this.system]
    ] as const;
    const labels = fields.map(([name, field]) => h('label', { class: 'a3s-field' }, name, field));
    const row = h('div', { class: 'a3s-row' }, ...labels);
    this.element = h('details', {}, h('summary', {}, trans.__('Parameters')), row);
  }

  /** Return the parameters that have a value. */
  read(): Parameters {
    const { temperature, maxTokens, system } = this;
    return {
      ...(temperature.value !== '' && { temperature: Number(temperature.value) }),
      ...(maxTokens.value !== '' && { max_tokens: Number(maxTokens.value) }),
      ...(system.value !== '' && { system: system.value })
    };
  }
}
