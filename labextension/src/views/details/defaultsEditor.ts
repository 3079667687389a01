/** Edits the default parameters of a model. */

import { messageOf, modelPath, RequestError } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { changesOf, fieldText, kindOf, parametersFor } from './defaultFields.js';

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

interface Entry {
  readonly element: HTMLElement;
  readonly field: Field;
  readonly error: HTMLElement;
}

export class DefaultsEditor {
  readonly element: HTMLDetailsElement;
  private readonly entries = new Map<string, Entry>();
  private readonly rows = h('div', { class: 'a3s-defaults' });
  private readonly empty = h('div', { class: 'a3s-quiet' });
  private readonly choice = h('select', { 'aria-label': trans.__('Parameter to add') });
  private readonly saveButton = h('button', { type: 'submit', class: 'a3s-button' });
  private readonly resetButton: HTMLButtonElement;
  private readonly status = h('div', { class: 'a3s-note', role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private isSaving = false;

  constructor(
    private model: Model,
    private readonly store: Store
  ) {
    this.saveButton.append(trans.__('Save defaults'));
    this.resetButton = button(trans.__('Undo'), () => this.fill());
    setText(this.empty, trans.__('None are set. The model’s own defaults apply.'));
    const form = h(
      'form',
      { novalidate: true, 'aria-label': trans.__('Default parameters of %1', model.id) },
      this.empty,
      this.rows,
      h(
        'div',
        { class: 'a3s-row' },
        this.choice,
        button(trans.__('Add'), () => this.add(), {
          'aria-label': trans.__('Add the chosen parameter')
        })
      ),
      h('div', { class: 'a3s-row' }, this.saveButton, this.resetButton, this.status),
      this.error
    );
    form.addEventListener('input', () => this.refresh());
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.save();
    });
    this.element = h(
      'details',
      { class: 'a3s-section' },
      h('summary', {}, trans.__('Default parameters')),
      form
    );
    this.fill();
  }

  /** Show the parameters of `model`, unless they are being edited. */
  update(model: Model): void {
    const before = JSON.stringify(this.model.default_parameters);
    const isEdited = this.isEdited;
    this.model = model;
    if (JSON.stringify(model.default_parameters) !== before && !isEdited) {
      this.fill();
    } else {
      this.refresh();
    }
  }

  /** Discard what was edited. */
  private fill(): void {
    this.entries.clear();
    this.rows.replaceChildren();
    for (const [name, value] of Object.entries(this.model.default_parameters ?? {})) {
      this.place(name, fieldText(name, value));
    }
    this.showError('', '');
    this.refresh();
  }

  private place(name: string, text: string): Field {
    const { kind, choices } = kindOf(name);
    const id = uniqueId();
    const common = { id, 'aria-describedby': `${id}-error`, spellcheck: 'false', dir: 'auto' };
    const field = choices
      ? h('select', common, ...choices.map(value => h('option', { value }, value)))
      : kind === 'long'
        ? h('textarea', { ...common, rows: '3' })
        : h('input', {
            ...common,
            type: kind === 'integer' || kind === 'number' ? 'number' : 'text',
            step: kind === 'number' ? 'any' : undefined
          });
    field.value = text;
    const error = h('div', { id: `${id}-error`, class: 'a3s-error' });
    const remove = button('', () => this.remove(name), {
      class: 'a3s-button a3s-icon-button',
      'aria-label': trans.__('Remove %1', name),
      title: trans.__('Remove %1', name)
    });
    remove.append(icon('cancel'));
    const label = h('label', { for: id }, h('code', {}, name));
    const element = h('div', { class: 'a3s-default' }, label, field, remove, error);
    this.entries.set(name, { element, field, error });
    this.rows.append(element);
    return field;
  }

  private add(): void {
    const name = this.choice.value;
    if (name !== '' && !this.entries.has(name)) {
      this.place(name, kindOf(name).choices?.[0] ?? '').focus();
      this.refresh();
    }
  }

  private remove(name: string): void {
    this.entries.get(name)?.element.remove();
    this.entries.delete(name);
    this.refresh();
    this.choice.focus();
  }

  private get changes(): Record<string, unknown> {
    const fields = [...this.entries].map(([name, { field }]) => [name, field.value] as const);
    return changesOf(this.model.default_parameters ?? {}, Object.fromEntries(fields));
  }

  private get isEdited(): boolean {
    return Object.keys(this.changes).length > 0;
  }

  private refresh(): void {
    const isEdited = this.isEdited;
    this.saveButton.disabled = !isEdited || this.isSaving;
    this.resetButton.disabled = this.saveButton.disabled;
    this.empty.hidden = this.entries.size > 0;
    if (isEdited) {
      setText(this.status, '');
    }
    const names = parametersFor(this.model).filter(name => !this.entries.has(name));
    if (names.join() !== [...this.choice.options].map(({ value }) => value).join()) {
      this.choice.replaceChildren(...names.map(value => h('option', { value }, value)));
    }
  }

  private async save(): Promise<void> {
    const { changes } = this;
    const { transport } = this.store;
    this.isSaving = true;
    this.refresh();
    this.showError('', '');
    try {
      const body = { default_parameters: changes };
      const model = (await transport.request('PATCH', modelPath(this.model.id), body)) as Model;
      this.model = { ...this.model, default_parameters: model.default_parameters ?? {} };
      this.fill();
      const waits = Object.keys(changes).some(name => kindOf(name).load);
      setText(
        this.status,
        waits
          ? trans.__('Saved. Load parameters apply from the next load on.')
          : trans.__('Saved. They apply from the next request on.')
      );
    } catch (error) {
      const param = error instanceof RequestError ? (error.facts.param ?? '') : '';
      this.showError(param.replace(/^default_parameters\.?/, ''), messageOf(error));
    } finally {
      this.isSaving = false;
      this.refresh();
    }
  }

  /** Show a message at the field of a parameter, which gets the focus, or below the form. */
  private showError(name: string, message: string): void {
    for (const { field, error } of this.entries.values()) {
      field.removeAttribute('aria-invalid');
      setText(error, '');
    }
    const [first = ''] = name.split(/[.[]/);
    const entry = this.entries.get(first);
    setText(this.error, entry === undefined ? message : '');
    if (entry !== undefined) {
      entry.field.setAttribute('aria-invalid', 'true');
      setText(entry.error, message);
      entry.field.focus();
    }
  }
}
