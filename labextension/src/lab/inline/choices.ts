/** The models that can complete code, in the order in which they suit. */

import type { Models } from '../../state/state.js';
import { trans } from '../../views/i18n.js';
import { type Mode, modeOf } from './request.js';

export interface Choice {
  readonly name: string;
  readonly label: string;
}

const ORDER: readonly Mode[] = ['fill_in', 'chat', 'continue'];

/** Return the models that generate text: those that fill in the middle first. */
export function choices(models: Models): Choice[] {
  const label = {
    fill_in: (name: string) => trans.__('%1 (fills in the middle)', name),
    chat: (name: string) => trans.__('%1 (chat model: slower and less accurate)', name),
    continue: (name: string) => trans.__('%1 (does not see the text after the cursor)', name)
  };
  return [...models.values()]
    .flatMap(model => {
      const mode = modeOf(model);
      return mode === null ? [] : [{ name: model.id, mode, label: label[mode](model.id) }];
    })
    .sort((a, b) => ORDER.indexOf(a.mode) - ORDER.indexOf(b.mode) || a.name.localeCompare(b.name));
}
