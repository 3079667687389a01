/** What one can do about a pull that the hub refused. */

import { trans } from '../i18n.js';
import { type Failure, needsToken } from './failures.js';
import type { NextStep } from './failureView.js';
import type { FindTools } from './tools.js';

/** Return the steps after a failed pull. The pull goes on once a token is stored. */
export function pullSteps(
  failure: Failure,
  pull: () => void,
  tools: Pick<FindTools, 'askForToken'>
): NextStep[] {
  const steps: NextStep[] = [];
  if (needsToken(failure)) {
    steps.push({ label: trans.__('Enter a token…'), run: () => tools.askForToken(pull) });
  }
  if (failure.kind !== 'missing') {
    steps.push({ label: trans.__('Try again'), run: pull });
  }
  return steps;
}
