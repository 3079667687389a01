/** The menu of the button in the toolbar of the active cell. */

import type { INotebookTracker } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

const ITEMS = [
  'a3s-power:explain-code',
  'a3s-power:improve-code',
  'a3s-power:document-code',
  'a3s-power:write-tests',
  'a3s-power:write-code'
];

/** Open the menu below the button. */
export function openCellMenu(commands: CommandRegistry, notebooks: INotebookTracker | null): void {
  const cell = notebooks?.activeCell?.node;
  const place = cell?.querySelector('[data-command="a3s-power:cell-menu"]') ?? cell;
  if (!place) {
    return;
  }
  const menu = new Menu({ commands });
  ITEMS.forEach(command => menu.addItem({ command }));
  menu.aboutToClose.connect(() => setTimeout(() => menu.dispose()));
  const { left, bottom, top } = place.getBoundingClientRect();
  menu.open(left, place === cell ? top : bottom);
}
