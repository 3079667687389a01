/** The code of a proposal: what has come of it so far, and then how it differs from the code before. */

import { jupyterTheme } from '@jupyterlab/codemirror';
import { getChunks, getOriginalDoc, unifiedMergeView } from '@codemirror/merge';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import { h } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';
import { editBetween } from './edits.js';

/** Lines without changes that remain beside each change, and how many are folded at least. */
const UNCHANGED = { margin: 4, minSize: 8 };

/** Pixels from the end at which a text counts as scrolled to its end. */
const NEAR_END = 24;

export class DiffView {
  private view: EditorView | null = null;
  private isDiff = false;
  private isNew = false;

  /** `onDecision` is called after one change was accepted or rejected. */
  constructor(
    private readonly parent: HTMLElement,
    private readonly highlighting: Extension,
    private readonly onDecision: () => void
  ) {}

  /** Whether there is complete code to accept. */
  get hasDiff(): boolean {
    return this.isDiff || this.isNew;
  }

  /** The proposed code, without changes that were rejected. */
  get proposed(): string {
    return this.view?.state.doc.toString() ?? '';
  }

  /** The code before, with changes that were accepted. */
  get original(): string {
    return this.isDiff && this.view ? getOriginalDoc(this.view.state).toString() : '';
  }

  /** The number of changes that are left; 0 for code that is new as a whole. */
  get changes(): number {
    return this.isDiff && this.view ? (getChunks(this.view.state)?.chunks.length ?? 0) : 0;
  }

  /** Show code that is being written. Only what is new is drawn, so that the rest stays in place. */
  showGrowing(code: string): void {
    const { view } = this;
    if (view === null) {
      this.view = new EditorView({
        state: this.stateOf(code, trans.__('Code that is being written'), []),
        parent: this.parent
      });
      return;
    }
    const edit = editBetween(view.state.doc.toString(), code);
    if (edit === null) {
      return;
    }
    const { scrollDOM } = view;
    const isAtEnd =
      scrollDOM.scrollTop + scrollDOM.clientHeight >= scrollDOM.scrollHeight - NEAR_END;
    view.dispatch({ changes: { from: edit.start, to: edit.end, insert: edit.text } });
    if (isAtEnd) {
      view.requestMeasure({
        read: () => undefined,
        write: () => {
          scrollDOM.scrollTop = scrollDOM.scrollHeight;
        }
      });
    }
  }

  /** Show how new code differs from the code before, with signs that decide about each change. */
  showDiff(before: string, after: string): void {
    if (before.trim() === '') {
      this.showGrowing(after);
      this.isNew = true;
      return;
    }
    const state = this.stateOf(after, trans.__('Proposed code, with what it replaces'), [
      unifiedMergeView({
        original: before,
        mergeControls: decisionButton,
        gutter: true,
        collapseUnchanged: UNCHANGED
      }),
      EditorView.updateListener.of(({ transactions, startState, state }) => {
        const isDecision = transactions.some(({ docChanged }) => docChanged);
        if (isDecision || getOriginalDoc(startState) !== getOriginalDoc(state)) {
          this.onDecision();
        }
      })
    ]);
    this.isDiff = true;
    if (this.view === null) {
      this.view = new EditorView({ state, parent: this.parent });
    } else {
      this.view.setState(state);
      this.view.scrollDOM.scrollTop = 0;
    }
  }

  /** Measure again, after the view was attached. */
  measure(): void {
    this.view?.requestMeasure();
  }

  /** Remove the code. */
  clear(): void {
    this.view?.destroy();
    this.view = null;
    this.isDiff = this.isNew = false;
  }

  private stateOf(doc: string, label: string, extensions: Extension): EditorState {
    return EditorState.create({
      doc,
      extensions: [
        jupyterTheme,
        this.highlighting,
        EditorState.phrases.of({ '$ unchanged lines': trans.__('$ unchanged lines') }),
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({ tabindex: '0', 'aria-label': label }),
        EditorView.lineWrapping,
        extensions
      ]
    });
  }
}

/** Return a button that accepts or rejects one change. */
function decisionButton(kind: 'accept' | 'reject', act: (event: MouseEvent) => void): HTMLElement {
  const label = kind === 'accept' ? trans.__('Accept this change') : trans.__('Reject this change');
  const element = h(
    'button',
    { type: 'button', class: `a3s-chunk-${kind}`, title: label, 'aria-label': label },
    kind === 'accept' ? '✓' : '✗'
  );
  element.addEventListener('mousedown', event => event.preventDefault());
  element.addEventListener('click', act);
  return element;
}
