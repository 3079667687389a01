/** The popup of the status bar item: models in memory and running pulls, each with its button. */

import { Popup, showPopup } from '@jupyterlab/statusbar';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Store } from '../state/store.js';
import { StatusDetails } from '../views/statusDetails.js';
import type { StatusBarItem } from './statusBar.js';

class PopupBody extends Widget {
  private readonly details: StatusDetails;

  /** `onClosed` is called with whether the focus was inside. */
  constructor(
    store: Store,
    open: () => void,
    private readonly onClosed: (hadFocus: boolean) => void
  ) {
    super();
    this.addClass('a3s-PowerPopup');
    this.details = new StatusDetails(store, open);
    this.node.append(this.details.element);
  }

  protected override onAfterAttach(_message: Message): void {
    this.details.focus();
  }

  protected override onBeforeDetach(_message: Message): void {
    this.onClosed(this.node.contains(document.activeElement));
  }

  override dispose(): void {
    this.details.dispose();
    super.dispose();
  }
}

/** Opens and closes the popup. */
export class StatusPopup {
  private popup: Popup | null = null;

  /** `openPanel` opens the Local Models panel. */
  constructor(
    private readonly store: Store,
    private readonly openPanel: () => void
  ) {}

  toggle(item: StatusBarItem): void {
    if (this.popup !== null) {
      this.popup.dispose();
      return;
    }
    const open = () => {
      this.popup?.dispose();
      this.openPanel();
    };
    const body = new PopupBody(this.store, open, hadFocus => {
      this.popup = null;
      item.setExpanded(false, hadFocus);
    });
    item.setExpanded(true);
    this.popup = showPopup({ body, anchor: item, align: 'right', hasDynamicSize: true });
  }
}
