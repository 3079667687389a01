/** What one can do with a variant of a model, which depends on what is here and what is pulled. */

import type { Pull, Variant } from '../../api/types.js';
import type { Models, State } from '../../state/state.js';
import { formatPercent } from '../format.js';
import { trans } from '../i18n.js';
import { fraction } from '../pulls/pulls.js';

export type VariantAction =
  /** `label` is what the button says. */
  | { readonly kind: 'pull' | 'pulling'; readonly label: string }
  /** The model is here as `name`. */
  | { readonly kind: 'installed'; readonly name: string; readonly canChat: boolean };

/** Return what one can do with a variant. */
export function actionOf(variant: Variant, { models, pulls }: State): VariantAction {
  const name = installedName(variant, models);
  if (name !== null) {
    const canChat = models.get(name)?.capabilities?.includes('chat') ?? false;
    return { kind: 'installed', name, canChat };
  }
  const pull = pulls.get(variant.reference);
  switch (pull?.status) {
    case 'pulling':
      return { kind: 'pulling', label: pullingText(pull) };
    case 'paused':
      return { kind: 'pull', label: trans.__('Resume') };
    case 'failed':
      return { kind: 'pull', label: trans.__('Retry') };
    default:
      return { kind: 'pull', label: trans.__('Pull') };
  }
}

/** Return the name under which a variant is here, which may have changed since the server said it. */
function installedName({ installed, reference }: Variant, models: Models): string | null {
  return [installed, reference].find(name => name && models.has(name)) ?? null;
}

function pullingText(pull: Pull): string {
  const progress = fraction(pull);
  return progress === null ? trans.__('Pulling…') : trans.__('Pulling %1', formatPercent(progress));
}
