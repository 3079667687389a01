/** JupyterLab's icons for the views. */

import {
  addIcon,
  caretDownIcon,
  caretRightIcon,
  checkIcon,
  closeIcon,
  copyIcon,
  deleteIcon,
  downloadIcon,
  editIcon,
  ellipsesIcon,
  errorIcon,
  folderIcon,
  historyIcon,
  LabIcon,
  launchIcon,
  lockIcon,
  pauseIcon,
  refreshIcon,
  runIcon,
  searchIcon
} from '@jupyterlab/ui-components';

import { type IconName, svgOf } from '../views/icons.js';

/** The icon of the panel, in tabs, menus and the launcher. */
export const modelsIcon = new LabIcon({
  name: 'a3s-power:models',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16">' +
    '<path class="jp-icon3" fill="#616161" d="M13 2 4 14h6l-1 8 9-12h-6z"/></svg>'
});

export const chatIcon = new LabIcon({ name: 'a3s-power:chat', svgstr: svgOf('chat') });

const ICONS: Partial<Record<IconName, LabIcon>> = {
  add: addIcon,
  cancel: closeIcon,
  caretDown: caretDownIcon,
  caretRight: caretRightIcon,
  check: checkIcon,
  copy: copyIcon,
  delete: deleteIcon,
  download: downloadIcon,
  edit: editIcon,
  error: errorIcon,
  folder: folderIcon,
  history: historyIcon,
  load: runIcon,
  lock: lockIcon,
  more: ellipsesIcon,
  open: launchIcon,
  pause: pauseIcon,
  retry: refreshIcon,
  search: searchIcon
};

/** Return JupyterLab's icon of this name, or null where it has none. */
export function labIcon(name: IconName): HTMLElement | null {
  return ICONS[name]?.element({ tag: 'span' }) ?? null;
}
