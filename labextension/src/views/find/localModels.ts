/** Models on this machine, which can be registered without copying them. */

import type { LocalModels as FoundModels } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import { button, h, setText } from '../dom.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';
import { failureOf, nothingChosen } from './failures.js';
import { FailureView } from './failureView.js';
import { LocalModelRow } from './localModelRow.js';
import { Registration } from './registration.js';
import { nameOfPath } from './texts.js';
import type { FindTools } from './tools.js';

export class LocalModels {
  readonly element: HTMLElement;
  private readonly status = h('div', { class: 'a3s-quiet', role: 'status' });
  private readonly failure = new FailureView();
  private readonly list = h('ul', { class: 'a3s-results' });
  private readonly problems = h('div', { class: 'a3s-note' });
  private readonly choice = new FailureView();
  private readonly chosen = h('div');
  private readonly latest = new Latest();
  private rows: readonly LocalModelRow[] = [];
  private registration: Registration | null = null;
  private state: State = EMPTY;

  constructor(private readonly tools: FindTools) {
    this.element = h(
      'section',
      { class: 'a3s-find-section', 'aria-label': trans.__('On this machine') },
      h('h3', {}, trans.__('On this machine')),
      h('div', { class: 'a3s-quiet' }, this.explanation()),
      this.choice.element,
      this.chosen,
      this.status,
      this.failure.element,
      this.list,
      this.problems
    );
    if (tools.host.chooseFile !== undefined) {
      const choose = button(trans.__('Choose a file…'), () => void this.choose());
      choose.prepend(icon('folder'));
      this.choice.element.before(h('div', { class: 'a3s-row' }, choose));
    }
    this.load();
  }

  update(state: State): void {
    this.state = state;
    for (const row of this.rows) {
      row.update(state);
    }
    this.registration?.update(state);
  }

  dispose(): void {
    this.latest.cancel();
  }

  private explanation(): string {
    const text = trans.__('Registered models stay where they are; nothing is copied.');
    return this.tools.host.registerFiles === undefined
      ? text
      : `${text} ${trans.__('You can also drop a file here from the file browser.')}`;
  }

  private load(): void {
    this.failure.clear();
    setText(this.status, trans.__('Looking in the folders of other programs…'));
    this.latest.schedule(async signal => {
      try {
        const { transport } = this.tools;
        const reply = await transport.request('GET', 'local-models', undefined, signal);
        this.show(reply as FoundModels);
      } catch (error) {
        if (!signal.aborted) {
          setText(this.status, '');
          const retry = { label: trans.__('Try again'), run: () => this.load() };
          this.failure.show(failureOf(error), [retry]);
        }
      }
    });
  }

  private show({ data: models, problems }: FoundModels): void {
    // Those that are not registered come first.
    const sorted = [...models].sort((a, b) => Number(!!a.installed) - Number(!!b.installed));
    this.rows = sorted.map(model => new LocalModelRow(model, this.tools));
    this.list.replaceChildren(...this.rows.map(row => row.element));
    const text = ({ path, reason }: (typeof problems)[number]) =>
      trans.__('Models may be missing from %1: %2', path, reason);
    this.problems.replaceChildren(...problems.map(each => h('div', { dir: 'auto' }, text(each))));
    this.update(this.state);
    setText(
      this.status,
      models.length > 0
        ? ''
        : trans.__(
            'The folders of Hugging Face, LM Studio and Ollama have no models that can be used.'
          )
    );
  }

  private async choose(): Promise<void> {
    const path = await this.tools.host.chooseFile?.();
    if (path == null) {
      return;
    }
    this.choice.clear();
    if (path === '') {
      const again = { label: trans.__('Choose a file…'), run: () => void this.choose() };
      this.choice.show(nothingChosen(), [again]);
      return;
    }
    this.registration = new Registration({ contents_path: path }, nameOfPath(path), this.tools);
    this.registration.update(this.state);
    const text = h('div', { class: 'a3s-local-text a3s-path', title: path }, h('bdi', {}, path));
    this.chosen.replaceChildren(h('div', { class: 'a3s-local' }, text, this.registration.element));
    await this.registration.start();
  }
}
