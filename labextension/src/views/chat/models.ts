/** The models that a chat can use. */

import type { Models } from '../../state/state.js';
import { trans } from '../i18n.js';

/** Return the names of the models that chat, sorted. */
export function chatModels(models: Models): string[] {
  return [...models.values()]
    .filter(model => model.capabilities?.includes('chat'))
    .map(model => model.id)
    .sort();
}

/** Return the names to choose from: those that chat, and the chosen one, which may be gone. */
export function choices(models: Models, chosen: string): string[] {
  const names = chatModels(models);
  return chosen === '' || names.includes(chosen) ? names : [chosen, ...names];
}

/** Return why images cannot be attached to questions for a model; '' if they can. */
export function imageRefusal(models: Models, name: string): string {
  const model = models.get(name);
  // What the model of another server can see is not known here.
  if (model === undefined || model.format === 'remote' || model.capabilities?.includes('vision')) {
    return '';
  }
  const others = chatModels(models).filter(id => models.get(id)?.capabilities?.includes('vision'));
  return others.length === 0
    ? trans.__('%1 does not see images, and no model here does. Pull one with vision.', name)
    : trans.__('%1 does not see images. Choose %2.', name, others.slice(0, 3).join(', '));
}
