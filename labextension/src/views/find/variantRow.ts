/** A variant of a model: its size, whether it fits, and a button that pulls it. */

import type { Variant } from '../../api/types.js';
import type { State } from '../../state/state.js';
import { button, h, setText } from '../dom.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { failureOf } from './failures.js';
import { FailureView } from './failureView.js';
import { pullSteps } from './pullSteps.js';
import { fitMark, memoryText, sizeText } from './texts.js';
import type { FindTools } from './tools.js';
import { actionOf, type VariantAction } from './variantActions.js';

export class VariantRow {
  readonly element: HTMLLIElement;
  private readonly installed: HTMLElement;
  private readonly action: HTMLButtonElement;
  private readonly failure = new FailureView();
  private current: VariantAction | null = null;
  private isSending = false;

  /**
   * `isMain` is set for the variant that most people want, of those that are shown. `isMarked` is
   * set to say so in words, which is for a choice of several.
   */
  constructor(
    private readonly variant: Variant,
    private readonly tools: FindTools,
    isMain: boolean,
    private readonly isMarked: boolean
  ) {
    this.action = button('', () => this.run());
    this.action.classList.toggle('a3s-primary', isMain);
    this.installed = h('span', { class: 'a3s-find-mark' }, icon('check'), trans.__('Installed'));
    this.element = h(
      'li',
      { class: 'a3s-variant' },
      h('div', { class: 'a3s-variant-name' }, h('span', { dir: 'auto' }, variant.label)),
      h('div', { class: 'a3s-variant-size' }, sizeText(variant)),
      h('div', { class: 'a3s-variant-memory a3s-quiet' }, memoryText(variant)),
      this.createMarks(),
      h('div', { class: 'a3s-variant-action' }, this.action),
      this.failure.element
    );
  }

  update(state: State): void {
    const action = actionOf(this.variant, state);
    this.current = action;
    this.installed.hidden = action.kind !== 'installed';
    const { label, reference } = this.variant;
    if (action.kind === 'installed') {
      this.action.hidden = !action.canChat || this.tools.host.openChat === undefined;
      setText(this.action, trans.__('Chat'));
      this.action.setAttribute('aria-label', trans.__('Chat with %1', action.name));
    } else {
      this.action.hidden = false;
      setText(this.action, action.label);
      this.action.setAttribute('aria-label', `${action.label} ${reference}`);
    }
    this.action.title = action.kind === 'pull' ? trans.__('Pull %1', label) : '';
    // A disabled button would lose the focus.
    this.action.setAttribute('aria-disabled', String(action.kind === 'pulling'));
  }

  private createMarks(): HTMLElement {
    const { fit } = this.variant;
    const { text, icon: name } = fitMark(fit);
    const marks = [h('span', { class: `a3s-find-mark a3s-fit-${fit}` }, icon(name), text)];
    if (this.isMarked) {
      marks.unshift(h('span', { class: 'a3s-badge' }, trans.__('Recommended')));
    }
    return h('div', { class: 'a3s-variant-marks' }, ...marks, this.installed);
  }

  private run(): void {
    if (this.current?.kind === 'installed') {
      this.tools.host.openChat?.(this.current.name);
    } else if (this.current?.kind === 'pull' && !this.isSending) {
      void this.pull(this.variant.reference);
    }
  }

  private async pull(reference: string): Promise<void> {
    this.isSending = true;
    this.failure.clear();
    try {
      await this.tools.host.pull(reference);
    } catch (error) {
      const failure = failureOf(error);
      // A token makes the repository load again, which replaces this row.
      const tools = { askForToken: () => this.tools.askForToken() };
      const steps = pullSteps(failure, () => void this.pull(reference), tools);
      this.failure.show(failure, steps, candidate => void this.pull(candidate));
    } finally {
      this.isSending = false;
    }
  }
}

/** Create a list of variants. */
export function variantList(rows: readonly VariantRow[]): HTMLUListElement {
  return h('ul', { class: 'a3s-variants' }, ...rows.map(row => row.element));
}
