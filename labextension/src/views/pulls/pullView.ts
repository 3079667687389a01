/** A pull: its name, progress bar, speed, files and buttons. */

import { messageOf, pullPath, type Transport } from '../../api/transport.js';
import type { Pull, PulledFile } from '../../api/types.js';
import { button, h, setText } from '../dom.js';
import { actions, fileFacts, fraction, note, type PullAction, summary } from './pulls.js';

const ACTIONS: readonly { readonly action: PullAction; readonly label: string }[] = [
  { action: 'start', label: 'Pull' },
  { action: 'pause', label: 'Pause' },
  { action: 'resume', label: 'Resume' },
  { action: 'cancel', label: 'Cancel' }
];

export class PullView {
  readonly element: HTMLElement;
  private readonly bar: HTMLProgressElement;
  private readonly status = h('span', { class: 'a3s-pull-status' }, 'connecting');
  private readonly note = h('div', { class: 'a3s-note' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly files = h('ul');
  private readonly filesTitle = h('summary');
  private readonly details = h('details', { class: 'a3s-files' }, this.filesTitle, this.files);
  private readonly buttons: ReadonlyMap<PullAction, HTMLButtonElement>;

  constructor(
    private readonly name: string,
    private readonly transport: Transport
  ) {
    this.bar = h('progress', { 'aria-label': `Pull of ${name}`, max: '1' });
    this.buttons = new Map(
      ACTIONS.map(({ action, label }) => [
        action,
        button(label, () => void this.run(action), { 'aria-label': `${label} ${name}` })
      ])
    );
    const row = h('div', { class: 'a3s-row' }, this.bar, this.status, ...this.buttons.values());
    const title = h('strong', {}, name);
    this.element = h('div', { class: 'a3s-pull' }, title, row, this.note, this.error, this.details);
  }

  /** Show a pull; undefined if the server does not know it. */
  update(pull: Pull | undefined): void {
    this.showButtons(actions(pull));
    if (pull === undefined) {
      this.bar.hidden = this.details.hidden = true;
      setText(this.status, 'not pulled');
      return;
    }
    const progress = fraction(pull);
    // A bar without a value is animated, so it is only shown while the pull is running.
    this.bar.hidden = progress === null && pull.status !== 'pulling';
    if (progress === null) {
      this.bar.removeAttribute('value');
    } else {
      this.bar.value = progress;
    }
    setText(this.status, summary(pull));
    setText(this.note, note(pull));
    setText(this.error, pull.status === 'failed' ? (pull.error?.message ?? '') : '');
    this.showFiles(pull.files ?? []);
  }

  /** Show the buttons of `possible`. If a hidden button had the focus, the first one takes it. */
  private showButtons(possible: readonly PullAction[]): void {
    const shown = [...this.buttons].filter(([action]) => possible.includes(action));
    for (const [, element] of shown) {
      element.hidden = false;
    }
    for (const [action, element] of this.buttons) {
      if (possible.includes(action)) {
        continue;
      }
      if (element === element.ownerDocument.activeElement) {
        shown[0]?.[1].focus();
      }
      element.hidden = true;
    }
  }

  private showFiles(files: readonly PulledFile[]): void {
    this.details.hidden = files.length === 0;
    setText(this.filesTitle, `${files.length} files`);
    while (this.files.children.length > files.length) {
      this.files.lastElementChild?.remove();
    }
    files.forEach((file, i) => {
      const item = this.files.children[i] ?? this.files.appendChild(h('li'));
      setText(item, fileFacts(file));
    });
  }

  private async run(action: PullAction): Promise<void> {
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
      setText(this.error, messageOf(error));
    }
  }
}
