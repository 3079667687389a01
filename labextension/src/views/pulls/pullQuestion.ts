/** The question whether to discard the files of a pull, in place of its progress. */

import { formatBytes } from '../format.js';
import { button, h } from '../dom.js';
import { trans } from '../i18n.js';

export type Answer = 'discard' | 'keep files' | 'go on';

export class PullQuestion {
  readonly element: HTMLElement;
  private readonly backButton: HTMLButtonElement;

  /** `bytes` are on disk. `answer` is called once, with 'go on' for the Escape key, too. */
  constructor(name: string, bytes: number, answer: (answer: Answer) => void) {
    // The text stays as it is while bytes arrive, so that the buttons do not move.
    const text = trans.__('Discard %1?', formatBytes(bytes));
    this.backButton = button(trans.__('Go back'), () => answer('go on'), {
      title: trans.__('Do not cancel'),
      'aria-label': trans.__('Go back to the pull of %1', name)
    });
    const discard = button(trans.__('Discard'), () => answer('discard'), {
      class: 'a3s-button a3s-danger',
      title: trans.__('Cancel and delete what is downloaded'),
      'aria-label': trans.__('Discard %1', name)
    });
    const keepFiles = button(trans.__('Cancel, keep files'), () => answer('keep files'), {
      title: trans.__('Cancel; the next pull continues with these files'),
      'aria-label': trans.__('Cancel %1, keep files', name)
    });
    this.element = h(
      'div',
      { class: 'a3s-pull-question', role: 'group', 'aria-label': text },
      h('span', {}, text),
      discard,
      keepFiles,
      this.backButton
    );
    this.element.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        answer('go on');
      }
    });
  }

  focus(): void {
    this.backButton.focus();
  }
}
