/** Add models to the server: recommended ones, those of the hub, and those on this machine. */

import type { Store } from '../../state/store.js';
import { button, h } from '../dom.js';
import type { PanelHost } from '../host.js';
import { icon } from '../icons.js';
import { trans } from '../i18n.js';
import { HubSearch } from './hubSearch.js';
import { LocalModels } from './localModels.js';
import { RecommendedList } from './recommendedList.js';
import { ReferenceForm } from './referenceForm.js';
import { TokenField } from './tokenField.js';
import type { FindTools } from './tools.js';

export class FindView {
  readonly element: HTMLElement;
  private readonly title = h('h2');
  private readonly back: HTMLButtonElement;
  private readonly search: HubSearch;
  private readonly recommended: RecommendedList;
  private readonly local: LocalModels;
  private readonly token: TokenField;
  private readonly unsubscribe: () => void;

  constructor(store: Store, host: PanelHost) {
    const tools: FindTools = {
      transport: store.transport,
      host,
      askForToken: goOn => this.token.open(goOn),
      searchFor: (words, format) => this.search.searchFor(words, format)
    };
    const reference = new ReferenceForm(tools);
    this.token = new TokenField(tools, () => this.search.reload());
    this.recommended = new RecommendedList(tools);
    this.local = new LocalModels(tools);
    const onActive = (isActive: boolean) => (this.recommended.element.hidden = isActive);
    this.search = new HubSearch(tools, onActive, name => reference.pull(name));
    this.back = button(trans.__('Back to models'), () => host.close());
    this.back.prepend(icon('back'));
    this.element = h(
      'div',
      { class: 'a3s-find' },
      h('div', { class: 'a3s-find-head' }, this.title, this.back),
      this.search.element,
      this.recommended.element,
      this.local.element,
      reference.element,
      this.token.element
    );
    this.unsubscribe = store.subscribe(state => {
      const isFirst = state.models.size === 0;
      this.title.textContent = isFirst ? trans.__('Add your first model') : trans.__('Add a model');
      this.back.hidden = isFirst;
      for (const part of [this.search, this.recommended, this.local]) {
        part.update(state);
      }
    });
  }

  /** Put the focus on the first field. */
  focus(): void {
    this.search.focus();
  }

  dispose(): void {
    this.unsubscribe();
    for (const part of [this.search, this.recommended, this.local, this.token]) {
      part.dispose();
    }
    this.element.remove();
  }
}
