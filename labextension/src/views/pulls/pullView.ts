/** A pull in one line: its name, progress, speed and two buttons. Below it: errors and files. */

import { messageOf, pullPath, type Transport } from '../../api/transport.js';
import type { Pull, PulledFile } from '../../api/types.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { divideName } from '../table/names.js';
import { ActionButton } from './actionButton.js';
import { CandidateList } from './candidateList.js';
import { ProgressColumns } from './progressColumns.js';
import { type Answer, PullQuestion } from './pullQuestion.js';
import { attemptOf, bytesToLose, fileFacts, lastAction, mainAction, note } from './pulls.js';
import { requestPull } from './startPull.js';

/** What a list does for its views. A view on its own stays when its pull has ended. */
export interface PullOwner {
  /** Show the pull of a candidate, which was requested in place of this one. */
  follow(pull: Pull): void;
  /** Hide an attempt that has ended. */
  dismiss(attempt: string): void;
}

export class PullView {
  readonly element: HTMLElement;
  private readonly nameStart = h('span');
  private readonly nameEnd = h('span');
  private readonly title = h('span', { class: 'a3s-split-name a3s-pull-name', dir: 'ltr' });
  private readonly progress = new ProgressColumns();
  private readonly unfoldButton: HTMLButtonElement;
  private readonly mainButton: ActionButton;
  private readonly lastButton: ActionButton;
  private readonly waiting = h('div', { class: 'a3s-note' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly candidates = new CandidateList(reference => void this.pullInstead(reference));
  private readonly note = h('div', { class: 'a3s-note' });
  private readonly files = h('ul', { class: 'a3s-files' });
  private readonly details = h('div', { id: uniqueId() }, this.note, this.files);
  private question: PullQuestion | null = null;
  private pull: Pull | undefined;
  private isUnfolded = false;
  private isBusy = false;
  /** The message of an action that failed, until the pull changes. */
  private problem = '';

  constructor(
    private shownName: string,
    private readonly transport: Transport,
    private readonly owner: PullOwner | null = null
  ) {
    this.unfoldButton = button('', () => this.unfold(!this.isUnfolded), {
      class: 'a3s-button a3s-icon-button',
      title: trans.__('Details'),
      'aria-controls': this.details.id
    });
    this.mainButton = new ActionButton(() => void this.runMain());
    this.lastButton = new ActionButton(() => void this.runLast());
    this.title.append(this.nameStart, this.nameEnd);
    const buttons = h(
      'div',
      { class: 'a3s-pull-buttons' },
      this.mainButton.element,
      this.lastButton.element
    );
    const line = h(
      'div',
      { class: 'a3s-pull-line' },
      this.unfoldButton,
      this.title,
      this.progress.element,
      buttons
    );
    this.element = h(
      'div',
      { class: 'a3s-pull' },
      line,
      this.waiting,
      this.error,
      this.candidates.element,
      this.details
    );
    this.unfold(false);
    this.rename(shownName);
  }

  /** Name of the pull: at first the one of the constructor, then that of a chosen candidate. */
  get name(): string {
    return this.shownName;
  }

  private rename(name: string): void {
    this.shownName = this.title.title = name;
    const [start, end] = divideName(name);
    setText(this.nameStart, start);
    setText(this.nameEnd, end);
    this.progress.rename(name);
    const label = trans.__('Details of the pull of %1', name);
    this.unfoldButton.setAttribute('aria-label', label);
  }

  /** Show a pull; undefined if the server does not know it. */
  update(pull: Pull | undefined): void {
    if (pull?.status !== this.pull?.status || pull?.started_at !== this.pull?.started_at) {
      this.problem = '';
    }
    this.pull = pull;
    if (this.question !== null && (pull === undefined || bytesToLose(pull) === 0)) {
      this.closeQuestion();
    }
    this.question?.show(pull?.status === 'failed');
    this.showButtons();
    this.progress.show(pull);
    this.showErrors();
    const isWaiting = pull?.status === 'pulling' && pull.phase === 'waiting';
    const text = pull === undefined ? '' : note(pull);
    setText(this.waiting, isWaiting ? text : this.keptText());
    setText(this.note, isWaiting ? '' : text);
    this.showFiles(pull?.files ?? []);
    const hasDetails = this.note.textContent !== '' || this.files.children.length > 0;
    this.unfoldButton.classList.toggle('a3s-absent', !hasDetails);
  }

  /** Put the focus on a button. */
  focus(): void {
    (this.mainButton.isShown ? this.mainButton : this.lastButton).element.focus();
  }

  /** Show or hide the files and the note. */
  unfold(unfolded: boolean): void {
    this.isUnfolded = unfolded;
    this.details.hidden = !unfolded;
    this.unfoldButton.setAttribute('aria-expanded', String(unfolded));
    this.unfoldButton.replaceChildren(icon(unfolded ? 'caretDown' : 'caretRight'));
  }

  private showButtons(): void {
    const last = lastAction(this.pull);
    const isUseful = last !== 'dismiss' || this.owner !== null || this.pull?.status === 'failed';
    this.mainButton.show(mainAction(this.pull), this.name);
    this.lastButton.show(isUseful ? last : null, this.name);
    const focused = this.element.ownerDocument.activeElement;
    for (const { element, isShown } of [this.mainButton, this.lastButton]) {
      if (element === focused && !isShown) {
        this.focus(); // on the other one
      }
    }
  }

  private keptText(): string {
    return this.pull?.status === 'cancelled' && this.pull.completed
      ? trans.__('What was downloaded is kept. The next pull continues there.')
      : '';
  }

  private showErrors(): void {
    const error = this.pull?.status === 'failed' ? this.pull.error : undefined;
    setText(this.error, this.problem || (error?.message ?? ''));
    this.candidates.show(error?.candidates ?? [], this.name);
  }

  private showFiles(files: readonly PulledFile[]): void {
    while (this.files.children.length > files.length) {
      this.files.lastElementChild?.remove();
    }
    files.forEach((file, i) => {
      const item = this.files.children[i] ?? this.files.appendChild(h('li'));
      setText(item, fileFacts(file));
    });
  }

  // ---------------------------------------------------------------- actions

  private async runMain(): Promise<void> {
    const pauses = mainAction(this.pull) === 'pause';
    await this.run(async () => {
      if (pauses) {
        await this.transport.request('POST', pullPath(this.name, 'pause'));
      } else {
        const pull = await requestPull(this.transport, this.name);
        if (pull.already_exists) {
          this.owner?.follow(pull);
        }
      }
    });
  }

  private async runLast(): Promise<void> {
    const { pull } = this;
    if (pull === undefined || this.question !== null) {
      this.question?.focus();
    } else if (bytesToLose(pull) > 0) {
      this.ask(pull);
    } else if (pull.status === 'done' || pull.status === 'cancelled') {
      this.owner?.dismiss(attemptOf(pull));
    } else {
      await this.cancel(pull, false);
    }
  }

  private ask(pull: Pull): void {
    this.question = new PullQuestion(this.name, bytesToLose(pull), answer => {
      this.lastButton.element.focus();
      this.closeQuestion();
      void this.onAnswer(answer);
    });
    this.question.show(pull.status === 'failed');
    this.progress.element.hidden = true;
    this.progress.element.after(this.question.element);
    this.question.focus();
  }

  private async onAnswer(answer: Answer): Promise<void> {
    if (answer !== 'go on' && this.pull !== undefined) {
      await this.cancel(this.pull, answer === 'keep files');
    }
  }

  private closeQuestion(): void {
    const element = this.question?.element;
    if (element?.contains(element.ownerDocument.activeElement)) {
      this.focus();
    }
    element?.remove();
    this.question = null;
    this.progress.element.hidden = false;
  }

  /** Cancel the pull. It stays in sight if its files are kept. */
  private async cancel(pull: Pull, keepFiles: boolean): Promise<void> {
    await this.run(async () => {
      const path = pullPath(this.name) + (keepFiles ? '?keep_partial=true' : '');
      const ended = (await this.transport.request('DELETE', path)) as Pull;
      // It may have been done before it could be cancelled.
      if (ended.status === 'cancelled' && !(keepFiles && pull.status !== 'failed')) {
        this.owner?.dismiss(attemptOf(pull));
      }
    });
  }

  /** Pull a candidate, and discard the state of the pull that failed. */
  private async pullInstead(reference: string): Promise<void> {
    const failed = this.pull;
    await this.run(async () => {
      const failedPath = pullPath(this.name);
      const pull = await requestPull(this.transport, reference);
      if (this.owner === null) {
        this.rename(pull.name);
        this.update(pull);
        this.focus();
      } else {
        this.owner.follow(pull);
      }
      if (failed?.status === 'failed' && failed.name !== pull.name) {
        await this.transport.request('DELETE', `${failedPath}?keep_partial=true`);
        this.owner?.dismiss(attemptOf(failed));
      }
    });
  }

  /** Run an action unless another one is running, and show its error. */
  private async run(action: () => Promise<void>): Promise<void> {
    if (this.isBusy) {
      return;
    }
    this.setBusy(true);
    this.problem = '';
    try {
      await action();
    } catch (error) {
      this.problem = messageOf(error);
    } finally {
      this.setBusy(false);
      this.showErrors();
    }
  }

  private setBusy(busy: boolean): void {
    this.isBusy = busy;
    this.element.setAttribute('aria-busy', String(busy));
  }
}
