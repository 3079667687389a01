/** A message about what went wrong, with buttons for what to do next. */

import { button, h } from '../dom.js';
import { icon } from '../icons.js';
import type { Failure } from './failures.js';
import { linked } from './links.js';

export interface NextStep {
  readonly label: string;
  readonly run: () => void;
}

export class FailureView {
  readonly element = h('div', { class: 'a3s-find-failure', role: 'alert', hidden: true });

  /** Show a failure. `pull` is called with the candidate that is clicked. */
  show(failure: Failure, steps: readonly NextStep[], pull?: (reference: string) => void): void {
    const candidates = pull === undefined ? [] : failure.candidates;
    const buttons = [
      ...candidates.map(reference => button(reference, () => pull?.(reference), { dir: 'auto' })),
      ...steps.map(({ label, run }) => button(label, run))
    ];
    const isFault = failure.kind !== 'empty';
    this.element.classList.toggle('a3s-find-empty', !isFault);
    this.element.setAttribute('role', isFault ? 'alert' : 'status');
    this.element.replaceChildren(
      h(
        'div',
        { class: 'a3s-find-title' },
        icon(isFault ? 'error' : 'search'),
        h('strong', {}, failure.title)
      ),
      h('div', { dir: 'auto' }, ...linked(failure.message)),
      ...(buttons.length > 0 ? [h('div', { class: 'a3s-row' }, ...buttons)] : [])
    );
    this.element.hidden = false;
  }

  clear(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
  }
}
