/** The question whether to discard the files of a pull, in place of its progress. */

import { formatBytes } from '../format.js';
import { button, h, setText } from '../dom.js';
import { trans } from '../i18n.js';

export type Answer = 'discard' | 'keep files' | 'go on';

export class PullQuestion {
  readonly element: HTMLElement;
  private readonly backButton: HTMLButtonElement;
  private readonly discardButton: HTMLButtonElement;
  private readonly keepButton: HTMLButtonElement;

  /** `bytes` are on disk. `answer` is called once, with 'go on' for the Escape key, too. */
  constructor(
    private readonly name: string,
    bytes: number,
    answer: (answer: Answer) => void
  ) {
    // The text stays as it is while bytes arrive, so that the buttons do not move.
    const text = trans.__('Discard %1?', formatBytes(bytes));
    this.backButton = button(trans.__('Go back'), () => answer('go on'), {
      'aria-label': trans.__('Go back to the pull of %1', name)
    });
    this.discardButton = button(trans.__('Discard'), () => answer('discard'), {
      class: 'a3s-button a3s-danger',
      'aria-label': trans.__('Discard %1', name)
    });
    this.keepButton = button('', () => answer('keep files'));
    this.element = h(
      'div',
      { class: 'a3s-pull-question', role: 'group', 'aria-label': text },
      h('span', {}, text),
      this.discardButton,
      this.keepButton,
      this.backButton
    );
    this.element.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        answer('go on');
      }
    });
  }

  /** Name the choices: a pull that has failed is dismissed, any other is cancelled. */
  show(hasFailed: boolean): void {
    const texts = choiceTexts(this.name, hasFailed);
    this.backButton.title = texts.back;
    this.discardButton.title = texts.discard;
    setText(this.keepButton, texts.keep);
    this.keepButton.title = texts.keepTitle;
    this.keepButton.setAttribute('aria-label', texts.keepLabel);
  }

  focus(): void {
    this.backButton.focus();
  }
}

/** Texts of the choices. `back` and `discard` are titles. */
interface ChoiceTexts {
  readonly back: string;
  readonly discard: string;
  readonly keep: string;
  readonly keepTitle: string;
  readonly keepLabel: string;
}

/** Return the texts for a pull that has failed, so nothing is left to cancel, or for any other. */
export function choiceTexts(name: string, hasFailed: boolean): ChoiceTexts {
  return hasFailed
    ? {
        back: trans.__('Do not dismiss'),
        discard: trans.__('Delete what is downloaded'),
        keep: trans.__('Dismiss, keep files'),
        keepTitle: trans.__('The next pull continues with these files'),
        keepLabel: trans.__('Dismiss %1, keep files', name)
      }
    : {
        back: trans.__('Do not cancel'),
        discard: trans.__('Cancel and delete what is downloaded'),
        keep: trans.__('Cancel, keep files'),
        keepTitle: trans.__('Cancel; the next pull continues with these files'),
        keepLabel: trans.__('Cancel %1, keep files', name)
      };
}
