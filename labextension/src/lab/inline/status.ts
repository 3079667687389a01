/** What the status bar says about inline completion. */

import type { Model } from '../../api/types.js';
import { trans } from '../../views/i18n.js';
import type { Activity } from './completer.js';

export interface InlineStatus {
  /** Name of the chosen model; '' for none. */
  readonly name: string;
  readonly enabled: boolean;
  readonly activity: Activity;
  /** Why there are no completions; '' without a problem. */
  readonly problem: string;
}

export interface StatusText {
  /** A word beside the name. */
  readonly word: string;
  readonly sentence: string;
  readonly isProblem: boolean;
}

/** Describe the state, in which `model` is the chosen one as the server knows it. */
export function statusOf(status: InlineStatus, model: Model | undefined): StatusText {
  const { name, enabled, activity, problem } = status;
  if (!enabled) {
    return text(trans.__('off'), trans.__('Inline completion is off. Its model is %1.', name));
  }
  if (problem !== '') {
    return { word: trans.__('problem'), sentence: problem, isProblem: true };
  }
  if (model?.state === 'loading') {
    const percent = Math.round(100 * (model.progress ?? 0));
    const sentence = trans.__('%1 is being loaded for inline completion.', name);
    return text(trans.__('loading %1%', percent), sentence);
  }
  if (activity === 'waiting') {
    return text(trans.__('reading'), trans.__('%1 is reading the code.', name));
  }
  if (activity === 'generating') {
    return text(trans.__('writing'), trans.__('%1 is completing the code.', name));
  }
  return text(trans.__('on'), trans.__('Inline completion is on. Its model is %1.', name));
}

function text(word: string, sentence: string): StatusText {
  return { word, sentence, isProblem: false };
}
