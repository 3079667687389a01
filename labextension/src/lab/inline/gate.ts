/** Decide whether a completion may be requested now, and say why not. */

import { modelPath, type Transport } from '../../api/transport.js';
import type { Estimate, Model } from '../../api/types.js';
import type { Models } from '../../state/state.js';
import { trans } from '../../views/i18n.js';
import { type Mode, modeOf } from './request.js';

/** Milliseconds until the next attempt after an error; doubled with each further one. */
const FIRST_PAUSE = 5_000;
const LONGEST_PAUSE = 300_000;

/** The model would push others out of memory, which only the user decides. */
export class WouldUnload extends Error {}

/** Lets requests through unless the last ones failed. */
export class Gate {
  private failures = 0;
  private until = 0;

  constructor(private readonly now: () => number) {}

  get isClosed(): boolean {
    return this.now() < this.until;
  }

  failed(): void {
    this.until = this.now() + Math.min(FIRST_PAUSE * 2 ** this.failures, LONGEST_PAUSE);
    this.failures += 1;
  }

  open(): void {
    this.failures = 0;
    this.until = 0;
  }
}

/** Return the model of a name and how it completes code. Throws if it cannot. */
export function chosenModel(models: Models, name: string): { model: Model; mode: Mode } {
  const model = models.get(name);
  if (model === undefined) {
    throw new Error(trans.__('There is no model %1. Choose another one.', name));
  }
  const mode = modeOf(model);
  if (mode === null) {
    throw new Error(trans.__('%1 generates no text. Choose another model.', name));
  }
  return { model, mode };
}

/**
 * Check that a model is in memory, or that a request can load it without unloading another one.
 *
 * Otherwise typing would unload the model of a chat, and the chat this one, again and again.
 */
export async function checkRoom(
  transport: Transport,
  model: Model,
  signal: AbortSignal
): Promise<void> {
  if (model.format === 'remote' || ['loaded', 'busy', 'loading'].includes(model.state)) {
    return;
  }
  const path = modelPath(model.id, 'estimate');
  const { evicts, waits } = (await transport.request('POST', path, {}, signal)) as Estimate;
  if (evicts.length > 0) {
    throw new WouldUnload(
      trans.__('%1 is not in memory, and loading it would unload %2.', model.id, evicts.join(', '))
    );
  }
  if (waits) {
    throw new WouldUnload(
      trans.__(
        '%1 is not in memory, and there is no room for it while other models are in use.',
        model.id
      )
    );
  }
}

/** Return the tokens of a prompt that leaves room for an answer in the model's context. */
export function promptTokens(model: Model, wanted: number, maxTokens: number): number {
  const length = model.num_ctx ?? model.context_length;
  // Half, because some texts have more tokens than their length suggests.
  return length === undefined ? wanted : Math.max(16, Math.min(wanted, (length - maxTokens) / 2));
}
