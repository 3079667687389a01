/** The models that the server recommends to begin with. */

import type { RecommendedModel, Variant } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import { h, setText } from '../dom.js';
import { formatCount } from '../format.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';
import { failureOf } from './failures.js';
import { FailureView } from './failureView.js';
import { firstVariant } from './texts.js';
import type { FindTools } from './tools.js';
import { variantList, VariantRow } from './variantRow.js';

/** Number of models that are shown at first. */
const FIRST_CARDS = 5;

export class RecommendedList {
  readonly element: HTMLElement;
  private readonly list = h('ul', { class: 'a3s-cards' });
  private readonly more = h('button', { type: 'button', class: 'a3s-button', hidden: true });
  private readonly status = h('div', { class: 'a3s-quiet', role: 'status' });
  private readonly failure = new FailureView();
  private readonly latest = new Latest();
  private rows: VariantRow[] = [];
  private state: State = EMPTY;

  constructor(private readonly tools: FindTools) {
    this.element = h(
      'section',
      { class: 'a3s-find-section', 'aria-label': trans.__('Recommended') },
      h('h3', {}, trans.__('Recommended')),
      this.status,
      this.failure.element,
      this.list,
      this.more
    );
    this.load();
  }

  update(state: State): void {
    this.state = state;
    for (const row of this.rows) {
      row.update(state);
    }
  }

  dispose(): void {
    this.latest.cancel();
  }

  private load(): void {
    this.failure.clear();
    setText(this.status, trans.__('Checking what fits this machine…'));
    this.latest.schedule(async signal => {
      try {
        const path = 'hub/recommended';
        const reply = await this.tools.transport.request('GET', path, undefined, signal);
        this.show((reply as { data: readonly RecommendedModel[] }).data);
      } catch (error) {
        if (!signal.aborted) {
          const retry = { label: trans.__('Try again'), run: () => this.load() };
          this.failure.show(failureOf(error), [retry]);
        }
      } finally {
        setText(this.status, '');
      }
    });
  }

  private show(models: readonly RecommendedModel[]): void {
    this.rows = [];
    // The one for a first try comes first.
    const sorted = [...models].sort((a, b) => Number(b.default) - Number(a.default));
    const cards = sorted.map(model => this.createCard(model));
    this.list.replaceChildren(...cards.slice(0, FIRST_CARDS));
    this.showMoreButton(cards.slice(FIRST_CARDS));
    this.update(this.state);
  }

  private showMoreButton(rest: readonly HTMLElement[]): void {
    this.more.hidden = rest.length === 0;
    setText(this.more, trans.__('Show %1 more', rest.length));
    this.more.onclick = () => {
      this.list.append(...rest);
      this.more.hidden = true;
      rest[0]?.querySelector('button')?.focus();
    };
  }

  private createCard(model: RecommendedModel): HTMLLIElement {
    const first = firstVariant(model.variants);
    const others = model.variants.filter(variant => variant !== first);
    const create = (variant: Variant) => {
      const row = new VariantRow(variant, this.tools, model.default && variant === first, false);
      this.rows.push(row);
      return row;
    };
    const card = h(
      'li',
      { class: 'a3s-card' },
      h('div', { class: 'a3s-card-title' }, h('h4', { dir: 'auto' }, model.title)),
      h('div', { dir: 'auto' }, model.good_for),
      h('div', { class: 'a3s-quiet', dir: 'auto' }, factsOf(model).join(' · '))
    );
    if (model.default) {
      const badge = h('span', { class: 'a3s-badge' }, trans.__('Recommended for a first try'));
      card.firstElementChild?.append(badge);
      card.classList.add('a3s-card-default');
    }
    if (first !== undefined) {
      card.append(variantList([create(first)]));
    }
    if (others.length > 0) {
      const title = trans._n('%1 other size', '%1 other sizes', others.length);
      card.append(
        h(
          'details',
          { class: 'a3s-folded' },
          h('summary', {}, title),
          variantList(others.map(create))
        )
      );
    }
    return card;
  }
}

function factsOf({ parameter_count, license, capabilities, needs }: RecommendedModel): string[] {
  const facts = [license, ...capabilities];
  if (parameter_count) {
    facts.unshift(trans.__('%1 parameters', formatCount(parameter_count)));
  }
  if (needs) {
    facts.push(trans.__('needs %1', needs));
  }
  return facts;
}
