/** Buttons that pull what may be meant by a reference. */

import { button, h } from '../dom.js';
import { trans } from '../i18n.js';
import { briefly } from './pulls.js';

/** Candidates shown at once. A button shows the others. */
const SHOWN = 6;

export class CandidateList {
  readonly element = h('div', { class: 'a3s-candidates', role: 'group' });
  private shown = '';

  constructor(private readonly pull: (reference: string) => void) {
    this.element.hidden = true;
  }

  /** Show references in place of `name`, without the repository if it is the same. */
  show(candidates: readonly string[], name: string): void {
    const key = candidates.join('\n');
    if (key === this.shown) {
      return; // The buttons may have the focus.
    }
    this.shown = key;
    const title = trans.__('Pull instead:');
    this.element.setAttribute('aria-label', title);
    this.element.hidden = candidates.length === 0;
    const buttons = candidates.map(reference => {
      const label = trans.__('Pull %1', reference);
      const attributes = { title: label, 'aria-label': label, dir: 'ltr' };
      return button(briefly(reference, name), () => this.pull(reference), attributes);
    });
    const rest = buttons.splice(SHOWN);
    this.element.replaceChildren(h('span', {}, title), ...buttons);
    if (rest.length > 0) {
      const more = button(trans._n('%1 more', '%1 more', rest.length), () => {
        more.replaceWith(...rest);
        rest[0]?.focus();
      });
      this.element.append(more);
    }
  }
}
