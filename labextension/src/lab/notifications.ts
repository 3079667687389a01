/** Notify of the pulls that end while the page is open. */

import { Notification } from '@jupyterlab/apputils';

import { messageOf, modelPath, type Transport } from '../api/transport.js';
import type { Pull } from '../api/types.js';
import type { Store } from '../state/store.js';
import { trans } from '../views/i18n.js';
import { EndedPulls } from '../views/pulls/endedPulls.js';
import { sizeText } from '../views/pulls/pulls.js';
import { isRefused } from '../views/pulls/startPull.js';
import { notifyOfFailure } from './failureNotice.js';

/** Milliseconds that a notification covers a corner. It remains in the notification center. */
const AUTO_CLOSE = 8_000;

/** The Local Models panel. */
interface Panel {
  readonly isVisible: boolean;
  open(activate: boolean): void;
}

/**
 * Raise a notification for each pull that ends, once.
 *
 * While the panel shows an error, with what can be done about it, the notification of the failure
 * goes to the notification center at once.
 */
export function notifyOfPulls(store: Store, panel: Panel, openChat: (model: string) => void): void {
  const ended = new EndedPulls();
  const open = { label: trans.__('Open Local Models'), callback: () => panel.open(true) };
  store.subscribe(state => {
    for (const pull of ended.update(state)) {
      if (pull.status === 'done') {
        const { name } = pull;
        const canChat = state.models.get(name)?.capabilities?.includes('chat');
        const next = canChat
          ? { label: trans.__('Chat'), callback: () => openChat(name) }
          : { label: trans.__('Load'), callback: () => void load(store.transport, name) };
        Notification.success(doneText(pull), { autoClose: AUTO_CLOSE, actions: [next, open] });
      } else if (!isRefused(pull)) {
        const autoClose = panel.isVisible ? 0 : AUTO_CLOSE;
        const what = trans.__('Could not pull %1.', pull.name);
        notifyOfFailure(what, pull.error?.message ?? '', { autoClose, actions: [open] });
      }
    }
  });
}

function doneText(pull: Pull): string {
  const size = sizeText(pull);
  return size ? trans.__('Pulled %1 (%2).', pull.name, size) : trans.__('Pulled %1.', pull.name);
}

async function load(transport: Transport, name: string): Promise<void> {
  try {
    await transport.request('POST', modelPath(name, 'load'), {});
  } catch (error) {
    notifyOfFailure(trans.__('Could not load %1.', name), messageOf(error));
  }
}
