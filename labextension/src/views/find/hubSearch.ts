/** Search the hub for repositories. */

import type { HubPage } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import { button, h, setText } from '../dom.js';
import { formatDuration } from '../format.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';
import { failureOf, needsToken } from './failures.js';
import { FailureView, type NextStep } from './failureView.js';
import { HubResult } from './hubResult.js';
import { searchPath } from './searchPath.js';
import { referenceIn } from './texts.js';
import type { FindTools } from './tools.js';

/** Milliseconds without a key press after which a search begins. */
const DEBOUNCE = 300;

/** The most seconds after which a search is repeated on its own, when the hub asks to wait. */
const LONGEST_WAIT = 120;

export class HubSearch {
  readonly element: HTMLElement;
  private readonly input = h('input', {
    type: 'search',
    placeholder: trans.__('Search the hub'),
    'aria-label': trans.__('Search the hub for models'),
    autocomplete: 'off',
    spellcheck: 'false'
  });
  private readonly format: HTMLSelectElement;
  private readonly sort: HTMLSelectElement;
  private readonly status = h('div', { class: 'a3s-quiet', role: 'status' });
  private readonly hint = h('div', { class: 'a3s-row', hidden: true });
  private readonly failure = new FailureView();
  private readonly list = h('ul', { class: 'a3s-results' });
  private readonly more = button(trans.__('More'), () => this.showMore(), { hidden: true });
  private readonly latest = new Latest();
  private results: HubResult[] = [];
  private next: string | null = null;
  private state: State = EMPTY;

  /**
   * `onActive` is told whether there is something to search for, and `pull` starts a pull of a
   * reference that was typed.
   */
  constructor(
    private readonly tools: FindTools,
    private readonly onActive: (isActive: boolean) => void,
    pull: (reference: string) => void
  ) {
    this.format = select(trans.__('Format'), [
      ['gguf', 'GGUF'],
      ['safetensors', 'Safetensors'],
      ['all', trans.__('All formats')]
    ]);
    this.sort = select(trans.__('Order'), [
      ['downloads', trans.__('Most downloads')],
      ['likes', trans.__('Most likes')],
      ['updated', trans.__('Recently updated')],
      ['trending', trans.__('Trending')]
    ]);
    const form = h(
      'form',
      { class: 'a3s-row', role: 'search' },
      this.input,
      h('button', { type: 'submit', class: 'a3s-button' }, icon('search'), trans.__('Search')),
      this.format,
      this.sort
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.search(0);
    });
    this.input.addEventListener('input', () => this.search(DEBOUNCE));
    for (const element of [this.format, this.sort]) {
      element.addEventListener('change', () => this.search(0));
    }
    this.hint.append(
      trans.__('This is a reference.'),
      button(trans.__('Pull it'), () => pull(this.input.value.trim()))
    );
    this.element = h(
      'section',
      { class: 'a3s-find-section', 'aria-label': trans.__('Search the hub') },
      form,
      this.status,
      this.hint,
      this.failure.element,
      this.list,
      this.more
    );
  }

  focus(): void {
    this.input.focus();
  }

  /** Search for `words` in repositories of a format. */
  searchFor(words: string, format: string): void {
    this.input.value = words;
    this.format.value = format;
    this.input.focus();
    this.search(0);
  }

  /** Ask the hub again for what is unfolded, because the token has changed. */
  reload(): void {
    for (const result of this.results) {
      result.reload();
    }
  }

  update(state: State): void {
    this.state = state;
    for (const result of this.results) {
      result.update(state);
    }
  }

  dispose(): void {
    this.latest.cancel();
    this.disposeResults();
  }

  /** Search after `delay` milliseconds. The results stay until others are there. */
  private search(delay: number): void {
    const query = this.input.value.trim();
    this.hint.hidden = referenceIn(query) === null;
    this.onActive(query !== '');
    if (query === '') {
      this.latest.cancel();
      this.clear();
      return;
    }
    this.latest.schedule(signal => this.load(query, null, signal), delay);
  }

  private showMore(): void {
    const query = this.input.value.trim();
    this.latest.schedule(signal => this.load(query, this.next, signal));
  }

  private async load(query: string, cursor: string | null, signal: AbortSignal): Promise<void> {
    this.setBusy(true);
    setText(this.status, trans.__('Searching…'));
    const path = searchPath(query, this.format.value, this.sort.value, cursor);
    try {
      const reply = await this.tools.transport.request('GET', path, undefined, signal);
      this.show(reply as HubPage, query, cursor !== null);
      this.setBusy(false);
    } catch (error) {
      if (!signal.aborted) {
        this.showFailure(error, query, cursor);
        this.setBusy(false);
      }
    }
  }

  private show({ data, next }: HubPage, query: string, isMore: boolean): void {
    this.failure.clear();
    if (!isMore) {
      this.disposeResults();
    }
    const isMixed = this.format.value === 'all';
    const added = data.map(model => new HubResult(model, isMixed, this.tools));
    this.results.push(...added);
    this.list.append(...added.map(result => result.element));
    this.update(this.state);
    const hadFocus = this.more === this.more.ownerDocument.activeElement;
    this.next = next;
    this.more.hidden = next === null;
    if (hadFocus && isMore) {
      added[0]?.focus();
    }
    const count = this.results.length;
    setText(this.status, count > 0 ? trans._n('%1 result', '%1 results', count) : '');
    if (count === 0) {
      this.showNothingFound(query);
    }
  }

  private showNothingFound(query: string): void {
    const steps: NextStep[] = [];
    if (this.format.value !== 'all') {
      const run = () => this.searchFor(query, 'all');
      steps.push({ label: trans.__('Search all formats'), run });
    }
    steps.push({ label: trans.__('Show recommended models'), run: () => this.reset() });
    const title = trans.__('Nothing found');
    const message = trans.__('No model matches “%1”. Try fewer or other words.', query);
    const failure = { kind: 'empty', title, message, candidates: [] } as const;
    this.failure.show({ ...failure, retryAfter: undefined, mayBePrivate: false }, steps);
  }

  private showFailure(error: unknown, query: string, cursor: string | null): void {
    const failure = failureOf(error);
    setText(this.status, '');
    const run = () => this.latest.schedule(signal => this.load(query, cursor, signal));
    const steps: NextStep[] = [{ label: trans.__('Try again'), run }];
    if (needsToken(failure) || failure.kind === 'rate_limited') {
      const askForToken = () => this.tools.askForToken();
      steps.push({ label: trans.__('Enter a token…'), run: askForToken });
    }
    this.failure.show(failure, steps);
    const { kind, retryAfter } = failure;
    if (kind === 'rate_limited' && retryAfter !== undefined && retryAfter <= LONGEST_WAIT) {
      setText(this.status, trans.__('Searching again in %1.', formatDuration(retryAfter)));
      const repeat = (signal: AbortSignal) => this.load(query, cursor, signal);
      this.latest.schedule(repeat, retryAfter * 1000);
    }
  }

  private reset(): void {
    this.input.value = '';
    this.input.focus();
    this.search(0);
  }

  private clear(): void {
    this.setBusy(false);
    this.disposeResults();
    this.failure.clear();
    this.more.hidden = true;
    setText(this.status, '');
  }

  private setBusy(isBusy: boolean): void {
    this.list.setAttribute('aria-busy', String(isBusy));
    this.more.setAttribute('aria-disabled', String(isBusy));
  }

  private disposeResults(): void {
    for (const result of this.results) {
      result.dispose();
    }
    this.results = [];
    this.list.replaceChildren();
  }
}

function select(label: string, options: readonly [string, string][]): HTMLSelectElement {
  return h(
    'select',
    { 'aria-label': label, title: label },
    ...options.map(([value, text]) => h('option', { value }, text))
  );
}
