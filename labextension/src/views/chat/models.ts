/** The models that a chat can use. */

import type { Models } from '../../state/state.js';

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
