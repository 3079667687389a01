/** A form with the options of a load, and what the load would take. */

import { messageOf, modelPath, RequestError } from '../../api/transport.js';
import type { Estimate, Memory, Model } from '../../api/types.js';
import { isInMemory } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';
import {
  beyondText,
  estimateText,
  generates,
  largestText,
  loadBody,
  type LoadOption,
  loadOptions,
  placeholder,
  verdict
} from './loadOptions.js';
import { plannedLoad } from './plannedLoad.js';

/** Milliseconds without a change before the server is asked for an estimate. */
const DELAY = 300;

type Field = HTMLInputElement | HTMLSelectElement;

export class LoadForm {
  readonly element: HTMLDetailsElement;
  private options: readonly LoadOption[] = [];
  private readonly grid = h('div', { class: 'a3s-load-fields' });
  private readonly fields = new Map<string, Field>();
  private readonly errors = new Map<string, HTMLElement>();
  private readonly estimate = h('div', { class: 'a3s-estimate', role: 'status' });
  private readonly sizes = h('div');
  private readonly beyond = h('div', { class: 'a3s-context-warning', hidden: true });
  private readonly verdict = h('strong');
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly largest: HTMLButtonElement;
  private readonly submit = h('button', { type: 'submit', class: 'a3s-button a3s-load-button' });
  private readonly latest = new Latest();
  private readonly unsubscribe: () => void;
  private largestContext = 0;
  private hasGpu = false;
  /** The models in memory, by which the estimate says what is free. */
  private inMemory = '';

  constructor(
    private model: Model,
    private readonly store: Store
  ) {
    this.largest = button('', () => this.useLargest(), { class: 'a3s-button', hidden: true });
    this.estimate.append(this.verdict, this.sizes, this.beyond);
    const form = h(
      'form',
      { novalidate: true, 'aria-label': trans.__('Options to load %1', model.id) },
      this.grid,
      this.estimate,
      h('div', { class: 'a3s-row' }, this.submit, this.largest),
      this.error
    );
    form.addEventListener('input', () => this.onChange(DELAY));
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.load();
    });
    this.element = h(
      'details',
      { class: 'a3s-section' },
      h('summary', {}, trans.__('Load options')),
      form
    );
    this.element.addEventListener('toggle', () => this.onToggle());
    this.unsubscribe = store.subscribe(({ memory }) => this.onMemory(memory));
    this.update(model);
  }

  update(model: Model): void {
    this.model = model;
    for (const option of this.options) {
      this.showAutomatic(option);
    }
    this.submit.disabled = model.state === 'loading' || model.state === 'unloading';
    const again = trans.__('Reload with these options');
    setText(this.submit, isInMemory(model) ? again : trans.__('Load with these options'));
  }

  /** Create the fields when the form is first opened. The GPUs of the machine are known by then. */
  private createFields(): void {
    if (this.options.length === 0) {
      this.options = loadOptions(this.model, this.hasGpu);
      this.grid.append(...this.options.map(option => this.createField(option)));
      this.update(this.model);
    }
  }

  dispose(): void {
    this.unsubscribe();
    this.endPlan();
  }

  private endPlan(): void {
    this.latest.cancel();
    plannedLoad(this.store).clear(this);
  }

  /** Estimate again after other models were loaded or unloaded. */
  private onMemory(memory: Memory | null): void {
    const devices = memory?.devices ?? [];
    const inMemory = devices.map(({ models }) => Object.keys(models).sort().join()).join(';');
    this.hasGpu = devices.some(({ kind }) => kind === 'gpu');
    if (inMemory !== this.inMemory) {
      this.inMemory = inMemory;
      if (this.element.open) {
        this.schedule(DELAY);
      }
    }
  }

  private createField(option: LoadOption): HTMLElement {
    const id = uniqueId();
    const described = `${id}-hint ${id}-error`;
    const common = { id, name: option.name, 'aria-describedby': described };
    const field = option.choices
      ? h('select', common, h('option', { value: '' }), ...option.choices.map(toOption))
      : h('input', {
          ...common,
          type: option.min === undefined ? 'text' : 'number',
          min: option.min?.toString(),
          max: option.max?.toString(),
          spellcheck: 'false'
        });
    const error = h('div', { id: `${id}-error`, class: 'a3s-error' });
    this.fields.set(option.name, field);
    this.errors.set(option.name, error);
    return h(
      'div',
      { class: 'a3s-load-field' },
      h('label', { for: id }, option.title),
      field,
      h('div', { id: `${id}-hint`, class: 'a3s-quiet' }, option.hint),
      error
    );
  }

  /** Show what an empty field stands for. */
  private showAutomatic(option: LoadOption): void {
    const field = this.fields.get(option.name);
    const text = placeholder(option, this.model.default_parameters);
    if (field instanceof HTMLInputElement) {
      field.placeholder = text;
    } else if (field?.options[0] !== undefined) {
      setText(field.options[0], trans.__('default (%1)', text));
    }
  }

  private onToggle(): void {
    if (this.element.open) {
      this.createFields();
      this.onChange(0);
    } else {
      this.endPlan();
    }
  }

  private get body(): Record<string, string | number> {
    return loadBody(Object.fromEntries([...this.fields].map(([name, f]) => [name, f.value])));
  }

  /** Estimate the options as they are now. Errors are those of the options before. */
  private onChange(delay: number): void {
    this.clearErrors();
    this.schedule(delay);
  }

  /** Ask for an estimate in `delay` milliseconds. Changes until then, and later ones, replace it. */
  private schedule(delay: number): void {
    this.estimate.setAttribute('aria-busy', 'true');
    setText(this.verdict, trans.__('Estimating…'));
    this.latest.schedule(async signal => {
      const { transport } = this.store;
      const path = modelPath(this.model.id, 'estimate');
      try {
        this.show((await transport.request('POST', path, this.body, signal)) as Estimate);
      } catch (error) {
        if (!signal.aborted) {
          this.fail(error);
        }
      }
    }, delay);
  }

  private show(estimate: Estimate): void {
    this.clearErrors();
    this.estimate.setAttribute('aria-busy', 'false');
    this.estimate.classList.toggle('a3s-too-large', !estimate.fits);
    setText(this.verdict, verdict(estimate));
    setText(this.sizes, estimateText(estimate));
    this.showBeyond(beyondText(estimate, this.model));
    this.largestContext = estimate.largest_num_ctx ?? 0;
    this.largest.hidden = !generates(this.model) || this.largestContext === 0;
    setText(this.largest, largestText(this.largestContext, this.model));
    plannedLoad(this.store).set(this, estimate);
  }

  private showBeyond(text: string): void {
    this.beyond.hidden = text === '';
    setText(this.beyond, text);
  }

  /** Show an error at its field if it has one. */
  private fail(error: unknown): void {
    this.clearErrors();
    this.estimate.setAttribute('aria-busy', 'false');
    this.estimate.classList.remove('a3s-too-large');
    setText(this.verdict, '');
    setText(this.sizes, '');
    this.showBeyond('');
    plannedLoad(this.store).clear(this);
    const name = error instanceof RequestError ? (error.facts.param ?? '') : '';
    this.fields.get(name)?.setAttribute('aria-invalid', 'true');
    setText(this.errors.get(name) ?? this.error, messageOf(error));
  }

  private clearErrors(): void {
    this.fields.forEach(field => field.removeAttribute('aria-invalid'));
    [this.error, ...this.errors.values()].forEach(element => setText(element, ''));
  }

  private useLargest(): void {
    const field = this.fields.get('num_ctx');
    if (field !== undefined) {
      field.value = String(this.largestContext);
      field.focus();
      this.onChange(0);
    }
  }

  private async load(): Promise<void> {
    this.latest.cancel();
    this.submit.disabled = true;
    try {
      await this.store.transport.request('POST', modelPath(this.model.id, 'load'), this.body);
      this.clearErrors();
      this.element.open = false; // which ends the plan: the bar has the model now
      this.element.querySelector('summary')?.focus();
    } catch (error) {
      this.fail(error);
    } finally {
      this.update(this.model);
    }
  }
}

function toOption(value: string): HTMLOptionElement {
  return h('option', { value }, value);
}
