/** A repository among the results of a search, which unfolds to its variants. */

import type { HubModel } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import { h, uniqueId } from '../dom.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { RepositoryView } from './repositoryView.js';
import { hubFacts } from './texts.js';
import type { FindTools } from './tools.js';

export class HubResult {
  readonly element: HTMLLIElement;
  private readonly toggle: HTMLButtonElement;
  private readonly body: HTMLElement;
  private repository: RepositoryView | null = null;
  private state: State = EMPTY;

  /** `showFormats` is set if the results have several formats. */
  constructor(
    private readonly model: HubModel,
    showFormats: boolean,
    private readonly tools: FindTools
  ) {
    const bodyId = uniqueId();
    this.toggle = h(
      'button',
      { type: 'button', class: 'a3s-result', 'aria-expanded': 'false', 'aria-controls': bodyId },
      icon('caretRight'),
      h('span', { class: 'a3s-result-name', dir: 'auto', title: model.id }, model.id),
      h('span', { class: 'a3s-result-marks' }, ...marksOf(model, showFormats)),
      h('span', { class: 'a3s-result-facts a3s-quiet' }, factsText(model))
    );
    this.toggle.addEventListener('click', () => this.fold(this.repository !== null));
    this.body = h('div', { id: bodyId, class: 'a3s-result-body', hidden: true });
    this.element = h('li', {}, this.toggle, this.body);
  }

  update(state: State): void {
    this.state = state;
    this.repository?.update(state);
  }

  dispose(): void {
    this.repository?.dispose();
  }

  /** Ask the hub again, because the token has changed. */
  reload(): void {
    this.repository?.load();
  }

  focus(): void {
    this.toggle.focus();
  }

  private fold(isFolded: boolean): void {
    this.toggle.setAttribute('aria-expanded', String(!isFolded));
    this.toggle.firstElementChild?.replaceWith(icon(isFolded ? 'caretRight' : 'caretDown'));
    this.body.hidden = isFolded;
    this.repository?.dispose();
    this.repository = isFolded ? null : new RepositoryView(this.model.id, this.tools);
    this.repository?.update(this.state);
    this.body.replaceChildren(...(this.repository ? [this.repository.element] : []));
  }
}

function factsText(model: HubModel): string {
  return hubFacts(model, Date.now() / 1000).join(' · ');
}

function marksOf(model: HubModel, showFormats: boolean): HTMLElement[] {
  const { gated, installed } = model;
  const formats = showFormats ? model.formats : [];
  const marks = formats.map(format => h('span', { class: 'a3s-badge' }, format));
  if (gated !== false) {
    const title =
      gated === 'manual'
        ? trans.__('Its authors approve each request for access')
        : trans.__('You have to accept its terms on the hub, and need a token');
    marks.push(h('span', { class: 'a3s-find-mark', title }, icon('lock'), trans.__('Gated')));
  }
  if (installed) {
    marks.push(h('span', { class: 'a3s-find-mark' }, icon('check'), trans.__('Installed')));
  }
  return marks;
}
