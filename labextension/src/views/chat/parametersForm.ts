/** The parameters of the answers in a chat. */

import { h, setText, uniqueId } from '../dom.js';
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
  /** Says which values are not used, and what is allowed. */
  private readonly refusal = h('div', { class: 'a3s-error', role: 'alert', id: uniqueId() });
  private shown: Parameters = {};

  /** `onChange` is called when the user has changed a parameter. */
  constructor(onChange: (parameters: Parameters) => void) {
    const titles: readonly (readonly [string, HTMLElement])[] = [
      ...this.fields.map(([name, field]) => [titleOf(name), field] as const),
      [trans.__('System prompt'), this.system]
    ];
    const labels = titles.map(([title, field]) => h('label', { class: 'a3s-field' }, title, field));
    const row = h('div', { class: 'a3s-row' }, ...labels);
    this.element = h('details', {}, h('summary', {}, trans.__('Parameters')), row, this.refusal);
    this.element.addEventListener('change', () => {
      this.shown = this.read();
      this.showRefusal();
      onChange(this.shown);
    });
  }

  private get fields(): readonly (readonly [Name, HTMLInputElement])[] {
    return Object.entries(this.numbers) as [Name, HTMLInputElement][];
  }

  /** Show the parameters of a conversation. A field that is being edited keeps its text. */
  show(parameters: Parameters): void {
    if (parameters === this.shown) {
      return;
    }
    this.shown = parameters;
    for (const [name, field] of this.fields) {
      setValue(field, String(parameters[name] ?? ''));
    }
    setValue(this.system, parameters.system ?? '');
    this.showRefusal();
  }

  /** Mark the values that are not used. */
  private showRefusal(): void {
    const refused = this.fields.filter(([, field]) => !isAllowed(field));
    for (const [, field] of this.fields) {
      field.removeAttribute('aria-invalid');
      field.removeAttribute('aria-describedby');
    }
    for (const [, field] of refused) {
      field.setAttribute('aria-invalid', 'true');
      field.setAttribute('aria-describedby', this.refusal.id);
    }
    const texts = refused.map(([name, field]) => refusalOf(titleOf(name), field));
    setText(this.refusal, texts.join(' '));
  }

  /** Return the parameters that have a valid value. */
  private read(): Parameters {
    const { tools } = this.shown;
    const text = this.system.value.trim();
    const numbers = this.fields.flatMap(([name, field]) =>
      field.value !== '' && isAllowed(field) ? [[name, field.valueAsNumber]] : []
    );
    return {
      ...(tools && { tools }),
      ...(Object.fromEntries(numbers) as Partial<Record<Name, number>>),
      ...(text !== '' && { system: text })
    };
  }
}

function titleOf(name: Name): string {
  switch (name) {
    case 'temperature':
      return trans.__('Temperature');
    case 'max_tokens':
      return trans.__('Max tokens');
    case 'top_p':
      return trans.__('Top p');
    case 'seed':
      return trans.__('Seed');
  }
}

function numberInput(min: string, step: string, max?: string): HTMLInputElement {
  return h('input', { type: 'number', min, step, max });
}

/** Whether a value is used. Only whole numbers have to be on a step. */
function isAllowed(field: HTMLInputElement): boolean {
  const { badInput, rangeUnderflow, rangeOverflow, stepMismatch } = field.validity;
  return !badInput && !rangeUnderflow && !rangeOverflow && !(stepMismatch && isWhole(field));
}

function isWhole({ step }: HTMLInputElement): boolean {
  return step === '1';
}

/** Return why a value is not used, and what is allowed. */
function refusalOf(title: string, field: HTMLInputElement): string {
  const { min, max } = field;
  if (isWhole(field)) {
    return trans.__('%1 is not used: it has to be a whole number from %2.', title, min);
  }
  return trans.__('%1 is not used: it has to be a number from %2 to %3.', title, min, max);
}

function setValue(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  if (field !== field.ownerDocument.activeElement && field.value !== value) {
    field.value = value;
  }
}
