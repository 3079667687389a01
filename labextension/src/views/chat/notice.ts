/** What a chat says in place of an answer that has not begun. */

import type { ModelState } from '../../api/types.js';
import { trans } from '../i18n.js';
import type { ShownAnswer } from './answering.js';

/** Add why an answer that is generated has no text yet. `state` is that of its model, null if unknown. */
export function withNotice(answer: ShownAnswer, state: ModelState | null): ShownAnswer {
  if (answer.content !== '' || answer.thoughts !== '' || answer.notice !== '') {
    return answer;
  }
  const notice =
    state === 'loading' ? trans.__('Loading the model…') : trans.__('Waiting for the answer…');
  return { ...answer, notice };
}
