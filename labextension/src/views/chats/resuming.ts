/** Go on with an answer of this page after a reload or a restart of the server. */

import { isInMemory } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import type { ChatSession } from '../chat/session.js';

/** Milliseconds after a failure for which a restart of the server counts as its reason. */
const RECENT = 120_000;

/**
 * Watch a session and go on with its answer: at once if the page was loaded again, and when another
 * server process answers soon after a failure. Returns the function that ends that.
 */
export function resumeAnswers(
  store: Store,
  session: ChatSession,
  clock: () => number = () => Date.now()
): () => void {
  /** The server process that the last answer of this page was asked of; null after a reload. */
  let asked: string | null = null;
  let instance: string | null = null;
  let failed = 0;
  let isTried = false;
  let wasAnswering = false;
  const isLeft = () => {
    if (asked === null) {
      return !isTried && session.isOwnAnswer;
    }
    const isAnother = instance !== asked && clock() - failed < RECENT;
    return isAnother && session.error !== '' && session.phase === 'interrupted';
  };
  const unsubscribeSession = session.subscribe(() => {
    const isAnswering = session.phase === 'answering';
    if (isAnswering && !wasAnswering) {
      asked = instance;
    } else if (!isAnswering && wasAnswering) {
      failed = clock();
    }
    wasAnswering = isAnswering;
    queueMicrotask(attempt); // the conversation may have been read just now
  });
  const attempt = () => {
    const { model } = session.conversation;
    const state = model === '' ? undefined : current?.models.get(model);
    if (instance === null || state === undefined || !isLeft()) {
      return;
    }
    isTried = true;
    asked = instance;
    const asking = { isLocal: state.format !== 'remote', isInMemory: isInMemory(state) };
    if (session.canResume) {
      session.resume(asking); // calls that waited are asked about again
    } else if (session.canContinue) {
      session.continue(asking);
    } else {
      session.regenerate(asking);
    }
  };
  let current: Parameters<Parameters<Store['subscribe']>[0]>[0] | null = null;
  const unsubscribeStore = store.subscribe((state, connection) => {
    current = state;
    if (connection === 'connected') {
      ({ instance } = state);
      attempt();
    }
  });
  return () => {
    unsubscribeSession();
    unsubscribeStore();
  };
}
