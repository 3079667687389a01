/** The buttons Fix and Explain below the output of cells that raised. */

import { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';

import { button, root } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';
import { type CellPlace, errorOf, insertAfter, isReadOnly } from './places.js';

/** The class of cells whose code has ended with an error, for menus. */
const ERROR_CLASS = 'a3s-mod-error';

export interface ErrorActions {
  fix(place: CellPlace): void;
  explain(place: CellPlace): void;
}

/** Keep the buttons of a notebook's cells. They are no part of the notebook. */
export function showErrorButtons(panel: NotebookPanel, actions: ErrorActions): void {
  const cells = new WeakSet<CodeCell>();
  const update = () => {
    for (const cell of panel.content.widgets) {
      if (cell instanceof CodeCell && !cells.has(cell)) {
        cells.add(cell);
        follow({ kind: 'cell', panel, cell }, cell, actions);
      }
    }
  };
  const follow_ = () => {
    panel.content.model?.cells.changed.connect(update);
    update();
  };
  panel.content.modelChanged.connect(follow_);
  follow_();
}

function follow(place: CellPlace, cell: CodeCell, actions: ErrorActions): void {
  const { outputs, stateChanged } = cell.model;
  let bar: Widget | null = null;
  const update = () => {
    const hasError = !cell.isDisposed && errorOf(cell) !== null;
    cell.toggleClass(ERROR_CLASS, hasError);
    if (!hasError) {
      bar?.dispose();
      bar = null;
    } else if (bar === null) {
      bar = errorBar(place, actions);
      const shown = bar;
      void cell.ready.then(() => {
        if (!shown.isDisposed && !cell.isDisposed) {
          insertAfter(cell, 'jp-Cell-outputWrapper', shown);
        }
      });
    }
  };
  outputs.changed.connect(update);
  stateChanged.connect(update); // it tells whether the code was edited
  cell.disposed.connect(() => {
    outputs.changed.disconnect(update);
    stateChanged.disconnect(update);
  });
  update();
}

function errorBar(place: CellPlace, actions: ErrorActions): Widget {
  const node = root('a3s-errorbar');
  const fix = button(trans.__('Fix'), () => actions.fix(place), {
    title: trans.__('Propose corrected code')
  });
  fix.disabled = isReadOnly(place);
  const explain = button(trans.__('Explain'), () => actions.explain(place), {
    title: trans.__('Explain this error')
  });
  node.setAttribute('role', 'group');
  node.setAttribute('aria-label', trans.__('Help with this error'));
  node.append(fix, explain);
  return new Widget({ node });
}
