/** What the code of an answer changes. */

import { insertion, withoutLastLines } from '../context/inserting.js';
import { splitMagic, withMagic } from './edits.js';
import {
  type CellPlace,
  focusEditor,
  languageOf,
  modelOf,
  type Place,
  replaceSource,
  sourceOf
} from './places.js';
import type { ProposalTarget } from './proposal.js';

/** Replace the whole source, except the line of a cell magic. */
export function wholeSource(place: Place): ProposalTarget {
  const { magic } = splitMagic(sourceOf(place));
  return { ...sourceTarget(place), build: answer => withMagic(magic, answer) };
}

/** Replace the characters from `from` to `to` if they have code, or else insert code there. */
export function partOfSource(place: Place, from: number, to: number): ProposalTarget {
  const target = sourceTarget(place);
  const source = target.before;
  const selected = source.slice(from, to);
  return {
    ...target,
    build: answer => {
      const edit = selected.trim()
        ? { start: from, end: to, text: keepEnd(selected, answer) }
        : insertion(source, from, answer);
      return source.slice(0, edit.start) + edit.text + source.slice(edit.end);
    }
  };
}

/** Insert a cell below another one. */
export function newCellBelow(place: CellPlace): ProposalTarget {
  let edited = place;
  return {
    language: languageOf(place),
    before: '',
    build: answer => answer,
    current: () => '',
    changed: null,
    apply: after => {
      edited = insertBelow(place, after);
    },
    focus: () => focusEditor(edited)
  };
}

function sourceTarget(place: Place): Omit<ProposalTarget, 'build'> {
  return {
    language: languageOf(place),
    before: sourceOf(place),
    current: () => sourceOf(place),
    changed: modelOf(place).sharedModel.changed,
    apply: after => replaceSource(place, after),
    focus: () => focusEditor(place)
  };
}

function insertBelow({ panel, cell }: CellPlace, source: string): CellPlace {
  const { content } = panel;
  const index = content.widgets.indexOf(cell) + 1;
  content.model?.sharedModel.insertCell(index, { cell_type: 'code', source });
  return { kind: 'cell', panel, cell: content.widgets[index] ?? cell };
}

/** Return code with the line breaks that the selection ended with. */
function keepEnd(selected: string, code: string): string {
  return withoutLastLines(code) + (/\n*$/.exec(selected)?.[0] ?? '');
}
