/** The models in memory and the running pulls, as rows with a button each. */

import { messageOf, modelPath, pullPath } from '../api/transport.js';
import type { Model, Pull } from '../api/types.js';
import { EMPTY, loadedModels, loadingModels, type State } from '../state/state.js';
import type { Store } from '../state/store.js';
import { speedText } from './activity.js';
import { button, h, root, setText, uniqueId } from './dom.js';
import { formatBytes } from './format.js';
import { icon, type IconName } from './icons.js';
import { trans } from './i18n.js';
import { label, percentText, rateText } from './pulls/pulls.js';
import { stateText } from './table/columns.js';
import { divideName } from './table/names.js';

/** Milliseconds between updates of the displayed times. */
const TICK = 1000;

export class StatusDetails {
  readonly element: HTMLElement;
  private readonly models: Section;
  private readonly pulls: Section;
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly openButton: HTMLButtonElement;
  private state: State = EMPTY;
  private readonly unsubscribe: () => void;
  private readonly timer: ReturnType<typeof setInterval>;

  /** `open` opens the panel. */
  constructor(
    private readonly store: Store,
    open: () => void
  ) {
    this.models = new Section(trans.__('In memory'), 'unload', name => ({
      title: trans.__('Unload'),
      label: trans.__('Unload %1', name),
      run: () => void this.run('POST', modelPath(name, 'unload'), {})
    }));
    this.pulls = new Section(trans.__('Pulls'), 'pause', name => ({
      title: trans.__('Pause'),
      label: trans.__('Pause %1', name),
      run: () => void this.run('POST', pullPath(name, 'pause'))
    }));
    this.openButton = button(trans.__('Open Local Models'), open);
    this.element = root(
      'a3s-status-details',
      this.models.element,
      this.pulls.element,
      this.error,
      this.openButton
    );
    this.element.setAttribute('role', 'dialog');
    this.element.setAttribute('aria-label', trans.__('Power'));
    this.unsubscribe = store.subscribe(state => {
      this.state = state;
      this.show();
    });
    this.timer = setInterval(() => this.show(), TICK);
  }

  dispose(): void {
    this.unsubscribe();
    clearInterval(this.timer);
  }

  /** Put the focus on the first button. */
  focus(): void {
    this.element.querySelector('button')?.focus();
  }

  private show(): void {
    const now = Date.now() / 1000;
    const { models, pulls } = this.state;
    const present = [...loadedModels(models), ...loadingModels(models)];
    const running = [...pulls.values()].filter(({ status }) => status === 'pulling');
    const hadFocus = this.element.contains(this.element.ownerDocument.activeElement);
    this.models.show(present.map(model => modelRow(model, now)));
    this.pulls.show(running.map(pullRow));
    if (hadFocus && !this.element.contains(this.element.ownerDocument.activeElement)) {
      this.focus(); // The row with the focus is gone.
    }
  }

  private async run(method: string, path: string, body?: object): Promise<void> {
    setText(this.error, '');
    try {
      await this.store.transport.request(method, path, body);
    } catch (error) {
      setText(this.error, messageOf(error));
    }
  }
}

/** The name and the columns of a row. */
type RowTexts = readonly [name: string, state: string, value: string];

function modelRow(model: Model, now: number): RowTexts {
  const state = speedText(model) || stateText(model, now);
  return [model.id, state, model.memory_bytes ? formatBytes(model.memory_bytes) : ''];
}

function pullRow(pull: Pull): RowTexts {
  return [pull.name, rateText(pull) || label(pull), percentText(pull)];
}

interface RowAction {
  readonly title: string;
  readonly label: string;
  run(): void;
}

/** A heading and rows, or nothing if there are no rows. */
class Section {
  readonly element: HTMLElement;
  private readonly body = h('tbody');
  private readonly rows = new Map<string, HTMLTableRowElement>();

  constructor(
    title: string,
    private readonly iconName: IconName,
    private readonly actionOf: (name: string) => RowAction
  ) {
    const id = uniqueId();
    this.element = h(
      'section',
      { 'aria-labelledby': id },
      h('h3', { id }, title),
      h('table', { 'aria-labelledby': id }, this.body)
    );
  }

  show(rows: readonly RowTexts[]): void {
    const names = new Set(rows.map(([name]) => name));
    for (const [name, element] of this.rows) {
      if (!names.has(name)) {
        element.remove();
        this.rows.delete(name);
      }
    }
    for (const [name, ...texts] of rows) {
      const [, ...cells] = (this.rows.get(name) ?? this.addRow(name)).children;
      texts.forEach((text, i) => cells[i] && setText(cells[i], text));
    }
    this.element.hidden = rows.length === 0;
  }

  private addRow(name: string): HTMLTableRowElement {
    const action = this.actionOf(name);
    const actionButton = button('', () => action.run(), {
      class: 'a3s-button a3s-icon-button',
      title: action.title,
      'aria-label': action.label
    });
    actionButton.append(icon(this.iconName));
    const [start, end] = divideName(name);
    const title = h('span', { class: 'a3s-split-name', title: name, dir: 'auto' });
    title.append(h('span', {}, start), h('span', {}, end));
    const row = h(
      'tr',
      {},
      h('th', { scope: 'row' }, title),
      h('td', { class: 'a3s-quiet' }),
      h('td', { class: 'a3s-number' }),
      h('td', {}, actionButton)
    );
    this.rows.set(name, row);
    this.body.append(row);
    return row;
  }
}
