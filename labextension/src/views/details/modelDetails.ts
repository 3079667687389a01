/** The details of a model, shown under its row. */

import type { Model } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { h } from '../dom.js';
import type { PanelHost } from '../host.js';
import { trans } from '../i18n.js';
import { CodeView } from './codeView.js';
import { DefaultsEditor } from './defaultsEditor.js';
import { facts } from './facts.js';
import { LoadForm } from './loadForm.js';
import { generates, isLocal } from './loadOptions.js';
import { TemplateView } from './templateView.js';

export class ModelDetails {
  readonly element: HTMLElement;
  private readonly facts = h('dl', { class: 'a3s-facts' });
  private readonly notes = h('ul', { class: 'a3s-details-notes', hidden: true });
  private shown = '';
  private load: LoadForm | null = null;
  private defaults: DefaultsEditor | null = null;
  private code: CodeView | null = null;
  private template: TemplateView | null = null;

  constructor(
    private readonly id: string,
    private readonly store: Store,
    private readonly host: PanelHost
  ) {
    this.element = h(
      'section',
      { class: 'a3s-details', 'aria-label': trans.__('Details of %1', id) },
      this.facts,
      this.notes
    );
  }

  /** Show `model` at `now`, in Unix seconds. */
  update(model: Model, now: number): void {
    const found = facts(model, now);
    const notes = model.notes ?? [];
    const key = JSON.stringify([found, notes]);
    if (key !== this.shown) {
      this.shown = key;
      this.facts.replaceChildren(
        ...found.flatMap(([name, value]) => [h('dt', {}, name), h('dd', { dir: 'auto' }, value)])
      );
      this.notes.hidden = notes.length === 0;
      this.notes.replaceChildren(...notes.map(note => h('li', { dir: 'auto' }, note)));
    }
    this.createSections(model);
    this.load?.update(model);
    this.defaults?.update(model);
    this.code?.update(model);
  }

  dispose(): void {
    this.load?.dispose();
    this.template?.dispose();
  }

  /** Create the sections that apply to the model, once it is known. */
  private createSections(model: Model): void {
    if (this.code !== null) {
      return;
    }
    this.load = isLocal(model) ? new LoadForm(model, this.store) : null;
    this.defaults = new DefaultsEditor(model, this.store);
    this.code = new CodeView(model, this.store.transport.baseUrl, this.host);
    const hasTemplate = isLocal(model) && generates(model);
    this.template = hasTemplate ? new TemplateView(this.id, this.store) : null;
    for (const section of [this.load, this.defaults, this.code, this.template]) {
      if (section !== null) {
        this.element.append(section.element);
      }
    }
  }
}
