/** A proposal of a model below an editor: the difference to what is there, to accept or to reject. */

import { jupyterTheme } from '@jupyterlab/codemirror';
import type { ISignal } from '@lumino/signaling';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { getChunks, getOriginalDoc, unifiedMergeView } from '@codemirror/merge';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import { messageOf } from '../../api/transport.js';
import { button, h, oncePerFrame, root, setText } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';
import { PAGE_HOST } from '../../views/chat/host.js';
import { MarkdownView } from '../../views/chat/markdownView.js';
import { findCode } from './answerCode.js';
import type { ModelAnswer, OnText } from './ask.js';
import { firstLines } from './edits.js';

/** What a proposal changes. */
export interface ProposalTarget {
  /** Language of the code as in Markdown; '' if it is not known. */
  readonly language: string;
  /** The source when the model was asked. */
  readonly before: string;
  /** Return the whole new source with the code of the answer. */
  build(code: string): string;
  /** Return the source as it is now. */
  current(): string;
  /** Signals changes of the source; null if it cannot change. */
  readonly changed: ISignal<unknown, unknown> | null;
  /** Replace the source in one step that can be undone. */
  apply(after: string): void;
  /** Focus the editor. */
  focus(): void;
}

export interface ProposalOptions {
  /** What the model does, such as "Fix". */
  readonly title: string;
  readonly model: string;
  /** What is changed; null for an answer to read only. */
  readonly target: ProposalTarget | null;
  /** Extensions that highlight the code. */
  readonly highlighting: Extension;
  ask(onText: OnText, signal: AbortSignal): Promise<ModelAnswer>;
}

export class Proposal extends Widget {
  private readonly controller = new AbortController();
  private readonly status = h('span', { class: 'a3s-diff-status', role: 'status' });
  private readonly note = h('div', { class: 'a3s-diff-note', hidden: true });
  private readonly content = h('div', { class: 'a3s-diff-content' });
  private readonly proseElement = h('div', {
    class: 'a3s-content a3s-diff-answer',
    dir: 'auto',
    hidden: true
  });
  private readonly prose = new MarkdownView(this.proseElement, {
    copy: text => PAGE_HOST.copy(text),
    codeActions: [],
    report: error => {
      this.note.textContent = error;
      this.note.hidden = false;
    },
    announce: text => {
      this.status.textContent = text;
    }
  });
  private readonly stopButton: HTMLButtonElement;
  private readonly acceptButton: HTMLButtonElement;
  private readonly rejectButton: HTMLButtonElement;
  private readonly answerButton: HTMLButtonElement;
  private readonly draw = oncePerFrame(() => this.drawText());
  private view: EditorView | null = null;
  private text = '';
  private isThinking = false;
  private isDone = false;
  private accepted = 0;
  private readonly onSourceChange = () => this.showState();

  constructor(private readonly options: ProposalOptions) {
    super({ node: root('a3s-diff') });
    const { title, model, target } = options;
    const buttons = { class: 'a3s-button a3s-diff-button' };
    this.stopButton = button(trans.__('Stop'), () => this.controller.abort(), buttons);
    this.acceptButton = button(trans.__('Accept'), () => this.accept(), {
      class: 'a3s-button a3s-diff-button a3s-diff-accept',
      title: trans.__('Replace the code with the new one (Ctrl+Enter)')
    });
    this.rejectButton = button(trans.__('Reject'), () => this.reject(), {
      ...buttons,
      title: trans.__('Keep the code as it is (Escape)')
    });
    this.answerButton = button(trans.__('Show answer'), () => this.toggleAnswer(), {
      ...buttons,
      'aria-expanded': 'false'
    });
    this.acceptButton.hidden = this.answerButton.hidden = true;
    const node = this.node;
    node.setAttribute('role', 'group');
    node.setAttribute('aria-label', trans.__('%1: proposal of %2', title, model));
    node.tabIndex = -1;
    node.addEventListener('keydown', event => this.onKey(event), { capture: true });
    node.append(
      h(
        'div',
        { class: 'a3s-diff-bar' },
        h('span', { class: 'a3s-diff-title' }, title),
        this.status,
        this.answerButton,
        this.stopButton,
        this.acceptButton,
        this.rejectButton
      ),
      this.note,
      this.content,
      this.proseElement
    );
    target?.changed?.connect(this.onSourceChange);
    this.showState();
    void this.run();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.controller.abort();
      this.options.target?.changed?.disconnect(this.onSourceChange);
      this.view?.destroy();
      super.dispose();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.view?.requestMeasure();
  }

  private async run(): Promise<void> {
    try {
      const answer = await this.options.ask((text, isThinking) => {
        this.text = text;
        this.isThinking = isThinking;
        this.draw();
      }, this.controller.signal);
      if (!this.isDisposed) {
        this.finish(answer);
      }
    } catch (error) {
      if (!this.isDisposed) {
        this.fail(messageOf(error));
      }
    }
  }

  private finish({ text, ended }: ModelAnswer): void {
    const { target } = this.options;
    this.text = text;
    this.isDone = true;
    const found = target === null ? { code: null, note: '' } : findCode(text, target.language);
    const notes = [found.note];
    if (ended === 'length') {
      notes.push(trans.__('The answer was cut off at the limit of its length.'));
    } else if (ended === 'stopped') {
      notes.push(trans.__('The answer was stopped, so it may not be complete.'));
    }
    if (target !== null && found.code === null) {
      notes.unshift(
        text.trim() === ''
          ? trans.__('The model has not answered.')
          : trans.__('The model has not written code. This is its answer:')
      );
    }
    this.showNote(notes.filter(Boolean).join(' '));
    if (target === null || found.code === null) {
      this.showProse(text);
    } else if (target.build(found.code) === target.before) {
      this.showNote([trans.__('The model proposes no change.'), ...notes].join(' ').trim());
      this.showProse('');
      this.answerButton.hidden = false;
    } else {
      this.showDiff(target.before, target.build(found.code), true);
      this.answerButton.hidden = false;
    }
    this.showState();
  }

  private fail(reason: string): void {
    this.isDone = true;
    this.showNote(reason);
    this.showProse(this.text);
    this.showState();
  }

  /** Show an answer to read, in place of a difference. */
  private showProse(text: string): void {
    this.view?.destroy();
    this.view = null;
    this.proseElement.hidden = text === '';
    this.prose.show(text);
  }

  private showNote(text: string): void {
    this.note.hidden = text === '';
    setText(this.note, text);
  }

  /** Show what has come so far. */
  private drawText(): void {
    const { target } = this.options;
    if (this.isDone || this.isDisposed) {
      return;
    }
    if (target === null) {
      this.showProse(this.text);
    } else {
      const { code } = findCode(this.text, target.language);
      if (code !== null) {
        const after = target.build(code);
        this.showDiff(firstLines(target.before, after), after, false);
      }
    }
    this.showState();
  }

  private showDiff(before: string, after: string, isFinal: boolean): void {
    const state = EditorState.create({
      doc: after,
      extensions: [
        jupyterTheme,
        this.options.highlighting,
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({
          tabindex: '0',
          'aria-label': trans.__('Proposed code, with what it replaces')
        }),
        EditorView.lineWrapping,
        unifiedMergeView({
          original: before,
          mergeControls: isFinal && chunkButton,
          gutter: true
        }),
        EditorView.updateListener.of(({ transactions }) => {
          if (
            isFinal &&
            transactions.some(({ effects, docChanged }) => effects.length || docChanged)
          ) {
            this.onChunk();
          }
        })
      ]
    });
    if (this.view === null) {
      this.view = new EditorView({ state, parent: this.content });
    } else {
      this.view.setState(state);
    }
  }

  /** Continue after one change was accepted or rejected. */
  private onChunk(): void {
    const { view } = this;
    const { target } = this.options;
    if (view === null || target === null) {
      return;
    }
    this.accepted = getOriginalDoc(view.state).toString() === target.before ? 0 : 1;
    if (getChunks(view.state)?.chunks.length === 0) {
      queueMicrotask(() => this.complete(view.state.doc.toString()));
    } else {
      this.showState();
      this.node.focus();
    }
  }

  private accept(): void {
    if (this.isDone && this.view !== null) {
      this.complete(this.view.state.doc.toString());
    }
  }

  /** Reject what is left; changes that were accepted one by one are made. */
  private reject(): void {
    if (this.accepted > 0 && this.view !== null) {
      this.complete(getOriginalDoc(this.view.state).toString());
    } else {
      this.close();
    }
  }

  private complete(after: string): void {
    const { target } = this.options;
    if (target === null || this.isDisposed) {
      return;
    }
    if (target.current() !== target.before && after !== target.before) {
      this.showState(); // says so
      return;
    }
    if (after !== target.before) {
      target.apply(after);
    }
    this.close();
  }

  protected override onCloseRequest(_message: Message): void {
    this.leave();
  }

  private leave(): void {
    const { target } = this.options;
    this.dispose();
    target?.focus();
  }

  private toggleAnswer(): void {
    const element = this.proseElement;
    element.hidden = !element.hidden;
    this.prose.show(this.text);
    this.answerButton.setAttribute('aria-expanded', String(!element.hidden));
    setText(this.answerButton, element.hidden ? trans.__('Show answer') : trans.__('Hide answer'));
  }

  private onKey(event: KeyboardEvent): void {
    const isAccept = event.key === 'Enter' && (event.ctrlKey || event.metaKey);
    if (!isAccept && event.key !== 'Escape') {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (isAccept) {
      this.accept();
    } else if (this.isDone) {
      this.reject();
    } else {
      this.leave();
    }
  }

  private showState(): void {
    const { target, model } = this.options;
    const isChanged = target !== null && target.current() !== target.before;
    const hasDiff = this.isDone && this.view !== null;
    this.node.setAttribute('aria-busy', String(!this.isDone));
    this.stopButton.hidden = this.isDone;
    this.acceptButton.hidden = !hasDiff;
    this.acceptButton.disabled = isChanged;
    setText(this.acceptButton, this.accepted ? trans.__('Accept rest') : trans.__('Accept'));
    setText(
      this.rejectButton,
      !hasDiff
        ? this.isDone
          ? trans.__('Close')
          : trans.__('Cancel')
        : this.accepted
          ? trans.__('Reject rest')
          : trans.__('Reject')
    );
    setText(this.status, this.statusText(model, isChanged && hasDiff));
    this.status.classList.toggle('a3s-diff-changed', isChanged && hasDiff);
  }

  private statusText(model: string, isChanged: boolean): string {
    if (isChanged) {
      return trans.__(
        'The code has been changed since. Undo that change, or reject and ask again.'
      );
    }
    if (!this.isDone) {
      return this.isThinking
        ? trans.__('%1 is thinking …', model)
        : this.text === ''
          ? trans.__('Waiting for %1 …', model)
          : trans.__('%1 is writing …', model);
    }
    const count = this.view === null ? 0 : (getChunks(this.view.state)?.chunks.length ?? 0);
    return count === 0 ? model : trans._n('%1 change', '%1 changes', count);
  }
}

/** Return a button that accepts or rejects one change. */
function chunkButton(kind: 'accept' | 'reject', act: (event: MouseEvent) => void): HTMLElement {
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
