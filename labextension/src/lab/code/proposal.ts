/** A proposal of a model below an editor: the difference to what is there, to accept or to reject. */

import type { ISignal } from '@lumino/signaling';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { Extension } from '@codemirror/state';

import { messageOf } from '../../api/transport.js';
import { h, oncePerFrame, root, setText } from '../../views/dom.js';
import { trans } from '../../views/i18n.js';
import { PAGE_HOST } from '../../views/chat/host.js';
import { MarkdownView } from '../../views/chat/markdownView.js';
import { oneLine } from '../../views/chat/messageText.js';
import { findCode, findGrowingCode } from './answerCode.js';
import type { AnswerListener, ModelAnswer } from './ask.js';
import { DiffView } from './diffView.js';
import { lostLines } from './lostLines.js';
import { ProposalBar } from './proposalBar.js';

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
  ask(listener: AnswerListener, signal: AbortSignal): Promise<ModelAnswer>;
}

export class Proposal extends Widget {
  private readonly controller = new AbortController();
  private readonly bar: ProposalBar;
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
    report: error => this.showNote(error),
    announce: text => this.bar.announce(text)
  });
  private readonly code: DiffView;
  private readonly draw = oncePerFrame(() => this.drawText());
  private text = '';
  /** What was left out of the question. */
  private cut = '';
  private isThinking = false;
  private isDone = false;
  private readonly onSourceChange = () => this.showState();

  constructor(private readonly options: ProposalOptions) {
    super({ node: root('a3s-diff') });
    const { title, model, target } = options;
    this.code = new DiffView(this.content, options.highlighting, () => this.onDecision());
    this.bar = new ProposalBar(title, {
      stop: () => {
        this.controller.abort();
        this.node.focus(); // the button disappears
      },
      accept: () => this.accept(),
      reject: () => (this.isDone ? this.reject() : this.leave()),
      toggleAnswer: () => this.toggleAnswer()
    });
    const node = this.node;
    node.setAttribute('role', 'group');
    node.setAttribute('aria-label', trans.__('%1: proposal of %2', title, model));
    node.tabIndex = -1;
    node.addEventListener('keydown', event => this.onKey(event), { capture: true });
    node.append(this.bar.element, this.note, this.content, this.proseElement);
    target?.changed?.connect(this.onSourceChange);
    this.showState();
    void this.run();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.controller.abort();
      this.options.target?.changed?.disconnect(this.onSourceChange);
      this.code.clear();
      super.dispose();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.code.measure();
  }

  protected override onCloseRequest(_message: Message): void {
    this.leave();
  }

  private async run(): Promise<void> {
    const listener: AnswerListener = {
      onText: (text, isThinking) => {
        this.text = text;
        this.isThinking = isThinking;
        this.draw();
      },
      onCut: cut => {
        this.cut = cut;
        this.showNote(cut);
      }
    };
    try {
      const answer = await this.options.ask(listener, this.controller.signal);
      if (!this.isDisposed) {
        this.finish(answer);
      }
    } catch (error) {
      if (!this.isDisposed) {
        this.fail(messageOf(error));
      }
    }
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
      const code = findGrowingCode(this.text, target.language);
      if (code !== null) {
        this.code.showGrowing(code);
      }
    }
    this.showState();
  }

  private finish({ text, ended }: ModelAnswer): void {
    const { target } = this.options;
    this.text = text;
    this.isDone = true;
    const notes = [this.cut, endText(ended)];
    if (target === null) {
      this.showProse(text);
    } else {
      const { code, note } = findCode(text, target.language);
      notes.unshift(note);
      const after = code === null ? target.before : target.build(code);
      if (code === null) {
        notes.unshift(noCodeText(text));
        this.showProse(text);
      } else if (after === target.before) {
        notes.unshift(trans.__('The model proposes no change.'));
        this.showProse('');
        this.bar.showAnswerButton(false);
      } else {
        if (ended !== 'stop') {
          notes.push(lossText(target.before, after));
        }
        this.code.showDiff(target.before, after);
        this.bar.showAnswerButton(false);
      }
    }
    this.showNote(notes.filter(Boolean).join(' '));
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
    this.code.clear();
    this.proseElement.hidden = text === '';
    this.prose.show(text);
  }

  private showNote(text: string): void {
    this.note.hidden = text === '';
    setText(this.note, text);
  }

  /** Continue after one change was accepted or rejected. */
  private onDecision(): void {
    if (this.code.changes === 0) {
      // not within the update of the editor, which is removed
      queueMicrotask(() => this.complete(this.code.proposed));
    } else {
      this.showState();
      this.node.focus();
    }
  }

  /** Whether changes were accepted one by one. */
  private get isPartial(): boolean {
    return this.code.changes > 0 && this.code.original !== this.options.target?.before;
  }

  private accept(): void {
    if (this.code.hasDiff) {
      this.complete(this.code.proposed);
    }
  }

  /** Reject what is left; changes that were accepted one by one are made. */
  private reject(): void {
    if (this.isPartial) {
      this.complete(this.code.original);
    } else {
      this.leave();
    }
  }

  private complete(after: string): void {
    const { target } = this.options;
    if (target === null || this.isDisposed) {
      return;
    }
    if (after !== target.before) {
      if (target.current() !== target.before) {
        this.showState(); // says so
        return;
      }
      target.apply(after);
    }
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
    this.bar.showAnswerButton(!element.hidden);
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
    const { target } = this.options;
    const isChanged = target !== null && target.current() !== target.before;
    const { hasDiff } = this.code;
    this.node.setAttribute('aria-busy', String(!this.isDone));
    this.bar.show({
      isDone: this.isDone,
      hasDiff,
      isChanged,
      isPartial: this.isPartial,
      status: this.statusText(isChanged && hasDiff)
    });
  }

  private statusText(isChanged: boolean): string {
    const { model } = this.options;
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
    const { changes, hasDiff } = this.code;
    if (hasDiff && changes === 0) {
      return trans.__('New code');
    }
    return changes === 0 ? model : trans._n('%1 change', '%1 changes', changes);
  }
}

function endText(ended: ModelAnswer['ended']): string {
  switch (ended) {
    case 'length':
      return trans.__('The answer was cut off at the limit of its length.');
    case 'stopped':
      return trans.__('The answer was stopped, so it may not be complete.');
    case 'stop':
      return '';
  }
}

/** Say which code is removed that an answer may not have reached. */
function lossText(before: string, after: string): string {
  const { count, first } = lostLines(before, after);
  if (count === 0) {
    return '';
  }
  return trans._n(
    'Accepting it removes %1 line that it may not have reached: "%2".',
    'Accepting it removes %1 lines that it may not have reached, from "%2" on.',
    count,
    oneLine(first, 60)
  );
}

function noCodeText(answer: string): string {
  return answer.trim() === ''
    ? trans.__('The model has not answered.')
    : trans.__('The model has not written code. This is its answer:');
}
