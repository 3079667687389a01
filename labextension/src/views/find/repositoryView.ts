/** The variants of a repository of the hub. */

import type { HubRepository } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';
import { type Failure, failureOf, needsToken, noWeights } from './failures.js';
import { FailureView, type NextStep } from './failureView.js';
import { linked } from './links.js';
import { contextText } from './texts.js';
import { CONTEXTS, DEFAULT_CONTEXT, type FindTools } from './tools.js';
import { variantList, VariantRow } from './variantRow.js';

export class RepositoryView {
  readonly element: HTMLElement;
  private readonly context: HTMLSelectElement;
  private readonly status = h('div', { class: 'a3s-quiet', role: 'status' });
  private readonly failure = new FailureView();
  private readonly tools: HTMLElement;
  private readonly note = h('div', { class: 'a3s-note', dir: 'auto' });
  private readonly body = h('div');
  private readonly latest = new Latest();
  private rows: readonly VariantRow[] = [];
  private state: State = EMPTY;

  constructor(
    private readonly id: string,
    private readonly find: FindTools
  ) {
    const selectId = uniqueId();
    const options = CONTEXTS.map(tokens =>
      h(
        'option',
        { value: String(tokens), selected: tokens === DEFAULT_CONTEXT },
        contextText(tokens)
      )
    );
    this.context = h('select', { id: selectId }, ...options);
    this.context.addEventListener('change', () => this.load());
    const label = h('label', { for: selectId }, trans.__('Memory for a context of'));
    this.tools = h('div', { class: 'a3s-row a3s-find-context' }, label, this.context);
    this.tools.hidden = true;
    this.element = h(
      'div',
      { class: 'a3s-repository' },
      this.tools,
      this.status,
      this.failure.element,
      this.note,
      this.body
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

  /** Ask the hub for the variants, also if they are shown already. */
  load(): void {
    const path = `hub/models/${this.id.split('/').map(encodeURIComponent).join('/')}`;
    const query = new URLSearchParams({ num_ctx: this.context.value });
    this.failure.clear();
    setText(this.status, trans.__('Looking at the files…'));
    this.latest.schedule(async signal => {
      try {
        const { transport } = this.find;
        const reply = await transport.request('GET', `${path}?${query}`, undefined, signal);
        this.show(reply as HubRepository);
      } catch (error) {
        if (!signal.aborted) {
          this.showFailure(failureOf(error));
        }
      } finally {
        if (!signal.aborted) {
          setText(this.status, '');
        }
      }
    });
  }

  private show({ variants, note, gated }: HubRepository): void {
    this.tools.hidden = variants.length === 0;
    this.showNote(note ?? '', gated !== false);
    this.rows = variants.map(variant => {
      const { recommended } = variant;
      return new VariantRow(variant, this.find, recommended, recommended && variants.length > 1);
    });
    this.body.replaceChildren(variantList(this.rows));
    this.update(this.state);
    if (variants.length === 0) {
      this.showFailure(noWeights());
    }
  }

  private showNote(note: string, isGated: boolean): void {
    this.note.replaceChildren(...linked(note));
    if (note !== '' && isGated) {
      const ask = button(trans.__('Enter a token…'), () => this.find.askForToken());
      this.note.append(h('div', { class: 'a3s-row' }, ask));
    }
  }

  private showFailure(failure: Failure): void {
    const conversions = {
      label: trans.__('Search for GGUF versions'),
      run: () => this.find.searchFor(this.id.split('/').pop() ?? this.id, 'gguf')
    };
    const token = { label: trans.__('Enter a token…'), run: () => this.find.askForToken() };
    const retry = { label: trans.__('Try again'), run: () => this.load() };
    const steps: NextStep[] = {
      gated: [token, retry, conversions],
      bad_token: [token, retry],
      rate_limited: [retry, token],
      empty: [conversions],
      missing: needsToken(failure) ? [conversions, token] : [conversions],
      hub: [retry],
      offline: [retry],
      other: [retry, conversions]
    }[failure.kind];
    this.failure.show(failure, steps);
  }
}
