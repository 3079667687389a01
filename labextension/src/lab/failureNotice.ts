/** Notifications of failures. */

import { Notification, showErrorMessage } from '@jupyterlab/apputils';

import { trans } from '../views/i18n.js';
import { noticeText } from './noticeText.js';

type Options = Notification.IOptions<never>;

/** Say what failed and why. A reason that is too long for a notification is in a dialog. */
export function notifyOfFailure(what: string, why: string, options: Options = {}): void {
  const { text, isShortened } = noticeText(what, why);
  const details: Notification.IAction = {
    label: trans.__('Details'),
    caption: trans.__('Show the whole message'),
    callback: event => {
      event.preventDefault(); // keeps the notification
      void showErrorMessage(what, why);
    }
  };
  const actions = [...(isShortened ? [details] : []), ...(options.actions ?? [])];
  Notification.error(text, { autoClose: false, ...options, actions });
}
