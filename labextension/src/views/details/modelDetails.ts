/** The details of a model, shown under its row. */

import type { Model } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { h } from '../dom.js';
import { formatBytes, formatCount, formatNumber } from '../format.js';
import type { PanelHost } from '../host.js';
import { trans } from '../i18n.js';

export class ModelDetails {
  readonly element = h('dl', { class: 'a3s-details' });
  private model: Model | null = null;

  constructor(id: string, _store: Store, _host: PanelHost) {
    this.element.setAttribute('aria-label', trans.__('Details of %1', id));
  }

  /** Show `model` at `now`, in Unix seconds. */
  update(model: Model, _now: number): void {
    if (model === this.model) {
      return;
    }
    this.model = model;
    this.element.replaceChildren(
      ...facts(model).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])
    );
  }

  dispose(): void {
    this.model = null;
  }
}

/** Return the facts about a model that are known, with their names. */
function facts(model: Model): [string, string][] {
  const all: [string, string | undefined][] = [
    [trans.__('Format'), model.format],
    [trans.__('Quantization'), model.parameters?.quantization],
    [trans.__('Parameters'), formatCount(model.parameters?.parameter_count)],
    [trans.__('Size on disk'), model.size_bytes ? formatBytes(model.size_bytes) : ''],
    [trans.__('Context'), model.context_length ? formatNumber(model.context_length) : ''],
    [trans.__('Capabilities'), model.capabilities?.join(', ')]
  ];
  return all.filter((fact): fact is [string, string] => Boolean(fact[1]));
}
