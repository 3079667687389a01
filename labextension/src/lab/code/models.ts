/** Choose the model that fixes, explains and writes code. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';

import type { Model } from '../../api/types.js';
import type { Models } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { chatModels } from '../../views/chat/models.js';
import { trans } from '../../views/i18n.js';
import type { IAssistant, IPower } from '../tokens.js';

/** The model that the user has chosen here, while the page is open. */
let chosen = '';

/**
 * Return the model to ask; null if there is none, or the user chooses none.
 *
 * It is that of the assistant, or the only one that chats. Without a model, a dialog leads to the
 * panel of models.
 */
export async function chooseModel(
  power: IPower,
  assistant: IAssistant | null
): Promise<Model | null> {
  const models = await currentModels(power.store);
  const name = await chooseName(power, assistant, chatModels(models));
  return name === null ? null : (models.get(name) ?? null);
}

async function chooseName(
  power: IPower,
  assistant: IAssistant | null,
  names: string[]
): Promise<string | null> {
  const preferred = [assistant?.model ?? '', chosen].find(name => names.includes(name));
  if (preferred !== undefined) {
    return preferred;
  }
  if (names.length === 0) {
    await offerModels(power);
    return null;
  }
  if (names.length > 1) {
    const { button, value } = await InputDialog.getItem({
      title: trans.__('Which model should write and explain code?'),
      items: names,
      okLabel: trans.__('Use this model')
    });
    if (!button.accept || value === null) {
      return null;
    }
    chosen = value;
    return value;
  }
  return names[0] ?? null;
}

async function offerModels(power: IPower): Promise<void> {
  const { button } = await showDialog({
    title: trans.__('No local model yet'),
    body: trans.__('The assistant needs a model that chats. Add one in the Local Models panel.'),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Open Local Models') })]
  });
  if (button.accept) {
    power.openModels();
  }
}

/** Return the models, once the server has sent them. */
function currentModels(store: Store): Promise<Models> {
  return new Promise((resolve, reject) => {
    const unsubscribe = store.subscribe((state, connection, reason) => {
      if (connection === 'connected') {
        resolve(state.models);
      } else if (connection !== 'connecting') {
        reject(new Error(reason || trans.__('Cannot reach the notebook server.')));
      } else {
        return;
      }
      queueMicrotask(() => unsubscribe());
    });
  });
}
