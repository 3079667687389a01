/** Chooses the model of a chat, and shows what state it is in and the memory it uses. */

import type { Model } from '../../api/types.js';
import { isActive, type State } from '../../state/state.js';
import { h, setText } from '../dom.js';
import { formatBytes, formatPercent } from '../format.js';
import { trans } from '../i18n.js';
import { choices } from './models.js';

/** The parts of the list, in its order. */
type Group = 'memory' | 'disk' | 'remote';

export class ModelPicker {
  private readonly select = h('select', { 'aria-label': trans.__('Model') });
  private readonly stateText = h('span', { class: 'a3s-quiet a3s-model-state' });
  readonly element = h('div', { class: 'a3s-model-picker' }, this.select, this.stateText);
  private listed = '';
  private model: Model | undefined;

  /** `preferred` returns the model that is chosen while the conversation has none. */
  constructor(
    onChoice: (name: string) => void,
    private readonly preferred: () => string
  ) {
    this.select.addEventListener('change', () => onChoice(this.select.value));
  }

  /** Name of the model; '' for none. */
  get value(): string {
    return this.select.value;
  }

  /** The model, as the server knows it. */
  get current(): Model | undefined {
    return this.model;
  }

  /** List the models that can chat, and choose `name`, which may be gone; '' for the preferred. */
  update({ models }: State, name: string): void {
    const names = choices(models, name);
    const groups = new Map<Group, HTMLElement[]>();
    const key: string[] = [];
    for (const id of names) {
      const model = models.get(id);
      const group = groupOf(model);
      const text = optionText(id, model);
      key.push(`${group} ${text}`);
      const options = groups.get(group) ?? [];
      options.push(h('option', { value: id, dir: 'auto' }, text));
      groups.set(group, options);
    }
    const chosen = name || this.select.value || this.first(names);
    if (key.join('\n') !== this.listed) {
      this.listed = key.join('\n');
      const order: readonly Group[] = ['memory', 'disk', 'remote'];
      this.select.replaceChildren(
        ...order.flatMap(group => {
          const options = groups.get(group);
          return options ? [h('optgroup', { label: groupTitle(group) }, ...options)] : [];
        })
      );
    }
    if (this.select.value !== chosen) {
      this.select.value = chosen;
    }
    this.model = models.get(this.select.value);
    setText(this.stateText, this.model === undefined ? '' : modelStateText(this.model));
    this.stateText.dataset['state'] = this.model?.state ?? '';
  }

  private first(names: readonly string[]): string {
    const preferred = this.preferred();
    return names.includes(preferred) ? preferred : (names[0] ?? '');
  }
}

function groupOf(model: Model | undefined): Group {
  if (model?.format === 'remote') {
    return 'remote';
  }
  return model !== undefined && isActive(model) ? 'memory' : 'disk';
}

function groupTitle(group: Group): string {
  const titles: Readonly<Record<Group, string>> = {
    memory: trans.__('In memory'),
    disk: trans.__('Not loaded'),
    remote: trans.__('On another server')
  };
  return titles[group];
}

function optionText(id: string, model: Model | undefined): string {
  const bytes = model && (isActive(model) ? model.memory_bytes : model.size_bytes);
  return bytes ? `${id} · ${formatBytes(bytes)}` : id;
}

/** Return what a model is doing, and the memory it uses. */
export function modelStateText({ state, format, progress, memory_bytes: bytes }: Model): string {
  if (format === 'remote') {
    return trans.__('on another server');
  }
  const memory = bytes ? ` · ${formatBytes(bytes)}` : '';
  switch (state) {
    case 'loaded':
    case 'busy':
      return `${state === 'busy' ? trans.__('busy') : trans.__('loaded')}${memory}`;
    case 'loading':
      return progress ? trans.__('loading %1', formatPercent(progress)) : trans.__('loading…');
    case 'unloading':
      return trans.__('unloading');
    case 'failed':
      return trans.__('failed to load');
    default:
      return trans.__('loads when you ask');
  }
}
