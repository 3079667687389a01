/** The progress of a pull: a bar, and texts in columns of fixed width. */

import type { Pull } from '../../api/types.js';
import { h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import { fraction, label, leftText, percentText, rateText, sizeText, summary } from './pulls.js';

export class ProgressColumns {
  readonly element: HTMLElement;
  private readonly bar = h('progress', { max: '1' });
  private readonly percent = h('span', { class: 'a3s-number' });
  private readonly size = h('span', { class: 'a3s-number a3s-pull-size' });
  private readonly rate = h('span', { class: 'a3s-number a3s-pull-rate' });
  private readonly left = h('span', { class: 'a3s-number a3s-pull-left' });
  private readonly state = h('span', { class: 'a3s-pull-state', 'aria-live': 'polite' });

  constructor() {
    this.element = h(
      'div',
      { class: 'a3s-pull-facts' },
      this.bar,
      this.percent,
      this.size,
      this.rate,
      this.left,
      this.state
    );
  }

  rename(name: string): void {
    this.bar.setAttribute('aria-label', trans.__('Pull of %1', name));
  }

  /** Show a pull; undefined if the server does not know it. */
  show(pull: Pull | undefined): void {
    const progress = pull === undefined ? null : fraction(pull);
    // A bar without a value is animated, so it is only shown while the pull is running.
    this.bar.classList.toggle('a3s-absent', progress === null && pull?.status !== 'pulling');
    if (progress === null) {
      this.bar.removeAttribute('value');
    } else {
      this.bar.value = progress;
    }
    this.element.classList.toggle('a3s-stopped', pull?.status !== 'pulling');
    const arrives = pull?.status === 'pulling' && (pull.bytes_per_second ?? 0) > 0;
    setText(this.percent, pull === undefined ? '' : percentText(pull));
    setText(this.size, pull === undefined ? '' : sizeText(pull));
    setText(this.rate, pull !== undefined && arrives ? rateText(pull) : '');
    setText(this.left, pull !== undefined && arrives ? leftText(pull) : '');
    // Rate and time take the place of the state, which is still read aloud.
    setText(this.state, stateText(pull));
    this.state.classList.toggle('a3s-hidden', arrives);
    this.element.title = pull === undefined ? '' : summary(pull);
  }
}

function stateText(pull: Pull | undefined): string {
  if (pull === undefined) {
    return trans.__('not pulled');
  }
  return (pull.bytes_per_second === 0 && rateText(pull)) || label(pull);
}
