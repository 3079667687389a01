/** A box for the reference of a model to pull. */

import { h, uniqueId } from '../dom.js';
import { trans } from '../i18n.js';
import { failureOf } from './failures.js';
import { FailureView } from './failureView.js';
import { pullSteps } from './pullSteps.js';
import type { FindTools } from './tools.js';

export class ReferenceForm {
  readonly element: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly failure = new FailureView();
  private isSending = false;

  constructor(private readonly tools: FindTools) {
    const id = uniqueId();
    this.input = h('input', {
      id,
      type: 'text',
      placeholder: 'owner/repo:TAG',
      autocomplete: 'off',
      spellcheck: 'false',
      dir: 'auto'
    });
    const form = h(
      'form',
      { class: 'a3s-row' },
      h('label', { for: id }, trans.__('Model to pull')),
      this.input,
      h('button', { type: 'submit', class: 'a3s-button' }, trans.__('Pull'))
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.pull(this.input.value);
    });
    this.element = h(
      'section',
      { class: 'a3s-find-section', 'aria-label': trans.__('Pull by reference') },
      h('h3', {}, trans.__('Pull by reference')),
      form,
      this.failure.element
    );
  }

  /** Start a pull of `reference`, which stays in the box until the server has accepted it. */
  pull(reference: string): void {
    this.input.value = reference;
    const name = reference.trim();
    if (name === '') {
      this.input.focus();
    } else if (!this.isSending) {
      void this.send(name);
    }
  }

  private async send(name: string): Promise<void> {
    this.isSending = true;
    this.failure.clear();
    try {
      await this.tools.host.pull(name);
      if (this.input.value.trim() === name) {
        this.input.value = '';
      }
    } catch (error) {
      const failure = failureOf(error);
      const steps = pullSteps(failure, () => this.pull(name), this.tools);
      this.failure.show(failure, steps, candidate => this.pull(candidate));
      this.failure.element.scrollIntoView({ block: 'nearest' });
      this.input.focus();
    } finally {
      this.isSending = false;
    }
  }
}
