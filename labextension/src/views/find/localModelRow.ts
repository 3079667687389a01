/** A model in a folder of another program, with a button that registers it. */

import type { LocalModel } from '../../api/types.js';
import type { State } from '../../state/state.js';
import { h } from '../dom.js';
import { Registration } from './registration.js';
import { localFacts } from './texts.js';
import type { FindTools } from './tools.js';

export class LocalModelRow {
  readonly element: HTMLLIElement;
  private readonly registration: Registration;

  constructor(model: LocalModel, tools: FindTools) {
    const { name, path, mmproj, installed, notes = [] } = model;
    const place = mmproj === undefined ? { path } : { path, mmproj };
    this.registration = new Registration(place, name, tools, installed);
    this.element = h(
      'li',
      { class: 'a3s-local' },
      h(
        'div',
        { class: 'a3s-local-text' },
        h('div', { class: 'a3s-result-name', dir: 'auto', title: name }, name),
        h('div', { class: 'a3s-quiet' }, localFacts(model).join(' · ')),
        h('div', { class: 'a3s-quiet a3s-path', title: path }, h('bdi', {}, path)),
        ...notes.map(note => h('div', { class: 'a3s-quiet', dir: 'auto' }, note))
      ),
      this.registration.element
    );
  }

  update(state: State): void {
    this.registration.update(state);
  }
}
