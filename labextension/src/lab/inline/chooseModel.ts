/** The dialog in which a model for inline completion is chosen. */

import { InputDialog } from '@jupyterlab/apputils';

import type { Models } from '../../state/state.js';
import { trans } from '../../views/i18n.js';
import { type Choice, choices } from './choices.js';

/** Resolve with the name of the chosen model, '' for none, or null if the dialog was dismissed. */
export async function chooseModel(models: Models, current: string): Promise<string | null> {
  const none: Choice = { name: '', label: trans.__('None: no inline completion') };
  const all = [none, ...choices(models)];
  const result = await InputDialog.getItem({
    title: trans.__('Inline completion'),
    label:
      all.length > 1
        ? trans.__('Model that completes code while you type')
        : trans.__('There are no models yet. Pull a code model in the Local Models panel.'),
    items: all.map(choice => choice.label),
    current: Math.max(
      0,
      all.findIndex(choice => choice.name === current)
    ),
    okLabel: trans.__('Choose')
  });
  if (!result.button.accept) {
    return null;
  }
  return all.find(choice => choice.label === result.value)?.name ?? null;
}
