/** The parameters of the answers in a chat. */

import { h } from '../dom.js';
import { trans } from '../i18n.js';
import type { Parameters } from './chatCompletion.js';

type Name = 'temperature' | 'max_tokens' | 'top_p' | 'seed';

export class ParametersForm {
  readonly element: HTMLElement;
  private readonly numbers: Readonly<Record<Name, HTMLInputElement>> = {
    temperature: numberInput('0', '0.1', '2'),
    max_tokens: numberInput('1', '1'),
    top_p: numberInput('0', '0.05', '1'),
    seed: numberInput('0', '1')
  };
  private readonly system = h('textarea', { rows: '2', dir: 'auto' });
  private shown: Parameters = {};

  /** `onChange` is called when the user has changed a parameter. */
  constructor(onChange: (parameters: Parameters) => void) {
    const titles: readonly (readonly [string, HTMLElement])[] = [
      [trans.__('Temperature'), this.numbers.temperature],
      [trans.__('Max tokens'), this.numbers.max_tokens],
      [trans.__('Top p'), this.numbers.top_p],
      [trans.__('Seed'), this.numbers.seed],
      [trans.__('System prompt'), this.system]
    ];
    const labels = titles.map(([title, field]) => h('label', { class: 'a3s-field' }, title, field));
    const row = h('div', { class: 'a3s-row' }, ...labels);
    this.element = h('details', {}, h('summary', {}, trans.__('Parameters')), row);
    this.element.addEventListener('change', () => {
      this.shown = this.read();
      onChange(this.shown);
    });
  }

  /** Show the parameters of a conversation. A field that is being edited keeps its text. */
  show(parameters: Parameters): void {
    if (parameters === this.shown) {
      return;
    }
    this.shown = parameters;
    for (const [name, field] of Object.entries(this.numbers)) {
      setValue(field, String(parameters[name as Name] ?? ''));
    }
    setValue(this.system, parameters.system ?? '');
  }

  /** Return the parameters that have a valid value. */
  private read(): Parameters {
    const { tools } = this.shown;
    const text = this.system.value.trim();
    const numbers = Object.entries(this.numbers).flatMap(([name, field]) =>
      field.value !== '' && field.validity.valid ? [[name, field.valueAsNumber]] : []
    );
    return {
      ...(tools && { tools }),
      ...(Object.fromEntries(numbers) as Partial<Record<Name, number>>),
      ...(text !== '' && { system: text })
    };
  }
}

function numberInput(min: string, step: string, max?: string): HTMLInputElement {
  return h('input', { type: 'number', min, step, max });
}

function setValue(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  if (field !== field.ownerDocument.activeElement && field.value !== value) {
    field.value = value;
  }
}
