/** One pull: its name, bar, facts, and what can be done with it. */

import { button, h, setText } from './dom.js';
import { actions, facts, fileFacts, fraction, word, type PullAction } from './pulls.js';
import type { Pull, PulledFile } from './state.js';
import { pullPath, type Transport } from './transport.js';

const LABELS: Record<PullAction, string> = {
  start: 'Pull',
  pause: 'Pause',
  resume: 'Resume',
  cancel: 'Cancel'
};

export class PullView {
  readonly element: HTMLElement;
  private readonly bar: HTMLProgressElement;
  private readonly words = h('span', { class: 'a3s-pull-facts' }, 'asking the server');
  private readonly note = h('div', { class: 'a3s-note' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly files = h('ul');
  private readonly details = h('details', { class: 'a3s-files' }, h('summary'), this.files);
  private readonly buttons = new Map<PullAction, HTMLButtonElement>();

  constructor(
    private readonly name: string,
    private readonly transport: Transport
  ) {
    this.bar = h('progress', { 'aria-label': `Pull of ${name}`, max: '1' });
    const row = h('div', { class: 'a3s-row' }, this.bar, this.words);
    for (const action of Object.keys(LABELS) as PullAction[]) {
      const label = LABELS[action];
      const made = button(label, () => void this.act(action), { 'aria-label': `${label} ${name}` });
      this.buttons.set(action, made);
      row.append(made);
    }
    const title = h('strong', {}, name);
    this.element = h('div', { class: 'a3s-pull' }, title, row, this.note, this.error, this.details);
  }

  /** Show a pull; undefined is one that the server does not know. */
  update(pull: Pull | undefined): void {
    this.offer(actions(pull));
    if (pull === undefined) {
      this.bar.hidden = this.details.hidden = true;
      setText(this.words, 'not pulled');
      return;
    }
    const done = fraction(pull);
    this.bar.hidden = done === null && pull.status !== 'pulling'; // it would go on moving
    if (done === null) {
      this.bar.removeAttribute('value');
    } else {
      this.bar.value = done;
    }
    const percent = done === null || pull.status === 'done' ? '' : ` ${Math.floor(done * 100)} %`;
    setText(this.words, [word(pull) + percent, facts(pull)].filter(Boolean).join(', '));
    setText(this.note, pull.note ?? '');
    setText(this.error, pull.status === 'failed' ? (pull.error?.message ?? '') : '');
    this.showFiles(pull.files ?? []);
  }

  /** Hides a button only once the next one has its focus. */
  private offer(possible: readonly PullAction[]): void {
    const first = this.buttons.get(possible[0] as PullAction);
    for (const [action, element] of this.buttons) {
      const leaves = !possible.includes(action);
      first?.toggleAttribute('hidden', false);
      if (leaves && element === element.ownerDocument.activeElement) {
        first?.focus();
      }
      element.hidden = leaves;
    }
  }

  private showFiles(files: readonly PulledFile[]): void {
    this.details.hidden = files.length === 0;
    setText(this.details.firstElementChild as HTMLElement, `${files.length} files`);
    while (this.files.children.length > files.length) {
      this.files.lastElementChild?.remove();
    }
    files.forEach((file, i) => {
      const item = this.files.children[i] ?? this.files.appendChild(h('li'));
      setText(item, fileFacts(file));
    });
  }

  private async act(action: PullAction): Promise<void> {
    setText(this.error, '');
    try {
      if (action === 'start' || action === 'resume') {
        await this.transport.request('POST', 'models/pull', { name: this.name, background: true });
      } else if (action === 'pause') {
        await this.transport.request('POST', pullPath(this.name, 'pause'));
      } else {
        await this.transport.request('DELETE', pullPath(this.name));
      }
    } catch (error) {
      setText(this.error, (error as Error).message);
    }
  }
}
