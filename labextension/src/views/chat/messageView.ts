/** A message of a chat: text, with thoughts, calls and results folded away. */

import { h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import { answerLine, measurementsOf, speedLine } from './answerLine.js';
import type { Attachment } from './attachment.js';
import { CallView } from './callView.js';
import type { Message } from './chatCompletion.js';
import { copyButton, iconButton, type Tools } from './codeBlock.js';
import { isSafeImage } from './images.js';
import { MarkdownView } from './markdownView.js';
import {
  type Call,
  callsOf,
  contentOf,
  oneLine,
  thoughtsOf,
  thoughtsTitle
} from './messageText.js';
import { QuestionEditor } from './questionEditor.js';
import { attachmentsOf, questionOf } from './question.js';
import type { ToolRunner } from './toolRunner.js';
import { isUnknown } from './turns.js';

/** What the buttons of a message do. */
export interface MessageActions {
  /** Ask a question in other words. Returns false if it was not asked. */
  edit(message: Message, text: string): boolean;
  /** Return what else is replaced when a question is edited, as a sentence; '' if nothing is. */
  editNote(message: Message): string;
  delete(message: Message): void;
  /** Return what the button to delete says. */
  deleteLabel(message: Message): string;
  regenerate(): void;
}

/** What can be done with messages now. */
export interface Abilities {
  readonly canEdit: boolean;
  readonly canRegenerate: boolean;
}

export class MessageView {
  readonly element: HTMLElement;
  private readonly content = h('div', { class: 'a3s-content', dir: 'auto' });
  private readonly markdown: MarkdownView;
  private readonly mark = h('div', { class: 'a3s-quiet', hidden: true });
  private readonly calls = h('div', { class: 'a3s-calls' });
  private readonly callViews: CallView[] = [];
  private readonly footer = h('div', { class: 'a3s-message-footer', hidden: true });
  private readonly speed = h('span', { class: 'a3s-quiet a3s-speed' });
  private thoughts: ThoughtsView | null = null;
  private editor: QuestionEditor | null = null;
  private readonly buttons: {
    readonly edit: HTMLButtonElement;
    readonly remove: HTMLButtonElement;
    readonly regenerate: HTMLButtonElement;
  };

  constructor(
    private message: Message,
    private readonly tools: Tools,
    private readonly actions: MessageActions
  ) {
    this.markdown = new MarkdownView(this.content, tools);
    const isQuestion = message.role === 'user';
    this.buttons = {
      edit: iconButton('edit', trans.__('Edit'), () => this.edit()),
      remove: iconButton('delete', trans.__('Delete'), () => actions.delete(this.message)),
      regenerate: iconButton('retry', trans.__('Regenerate'), () => actions.regenerate())
    };
    const copied = () => (isQuestion ? questionOf(this.message) : contentOf(this.message));
    this.footer.append(
      copyButton(trans.__('Copy'), copied, tools),
      ...(isQuestion ? [this.buttons.edit] : []),
      this.buttons.remove,
      this.buttons.regenerate,
      this.speed
    );
    const attributes = {
      class: `a3s-message ${isQuestion ? 'a3s-user' : ''}`,
      role: 'article',
      'aria-label': titleOf(message.role)
    };
    this.element = h('div', attributes, this.content, this.calls, this.mark, this.footer);
    this.show(message);
  }

  /** Show a message that is complete, in place of the answer that it was. */
  show(message: Message): void {
    this.message = message;
    const content = contentOf(message);
    if (message.role === 'user') {
      this.content.replaceChildren(...attachmentsOf(message).map(attachmentView));
      this.content.append(h('div', { class: 'a3s-question', dir: 'auto' }, questionOf(message)));
    } else if (message.role === 'tool') {
      this.content.replaceChildren(folded(oneLine(content), content));
    } else {
      this.showThoughts(thoughtsOf(message), null, false);
      this.showAnswer(content, true);
    }
    const measurements = measurementsOf(message.measurements);
    setText(this.speed, measurements === null ? '' : speedLine(measurements));
    this.speed.title = measurements === null ? '' : answerLine(measurements);
    this.footer.hidden = this.buttons.remove.hidden = false;
    this.showMark('');
  }

  /** Show what can be done with the message. `isLast` shows the buttons without the pointer. */
  update(isLast: boolean, { canEdit, canRegenerate }: Abilities): void {
    const { edit, remove, regenerate } = this.buttons;
    this.element.classList.toggle('a3s-last', isLast);
    edit.disabled = remove.disabled = !canEdit;
    regenerate.hidden = !isLast;
    regenerate.disabled = !canRegenerate;
    const label = this.actions.deleteLabel(this.message);
    remove.title = label;
    remove.setAttribute('aria-label', label);
  }

  /** Show the text of an answer, which is Markdown. `isComplete` is that it does not grow. */
  showAnswer(markdown: string, isComplete = false): void {
    this.markdown.show(markdown, isComplete);
  }

  /** Show what the model thinks, closed until the user opens it. */
  showThoughts(thoughts: string, seconds: number | null, isThinking: boolean): void {
    if (thoughts === '') {
      return;
    }
    if (this.thoughts === null) {
      this.thoughts = new ThoughtsView(this.tools);
      this.markdown.clear();
      this.element.prepend(this.thoughts.element);
    }
    this.thoughts.update(thoughts, seconds, isThinking);
  }

  /** Show calls of functions, with the results that there are by id. */
  showCalls(
    calls: readonly Call[],
    results: ReadonlyMap<string, Message>,
    runner: ToolRunner | null
  ): void {
    for (const { element } of this.callViews.splice(calls.length)) {
      element.remove();
    }
    calls.forEach((call, index) => {
      const view = (this.callViews[index] ??= new CallView());
      if (view.element.parentElement === null) {
        this.calls.append(view.element);
      }
      const result = results.get(call.id);
      const text = result === undefined ? null : contentOf(result);
      const state = runner?.stateOf(call.id) ?? (text === null || isUnknown(text) ? null : 'done');
      view.update(call, text, state, runner?.questionOf(call.id) ?? null);
    });
  }

  /** Show the calls of the message. */
  showOwnCalls(results: ReadonlyMap<string, Message>, runner: ToolRunner | null): void {
    if (this.message.role !== 'user') {
      this.showCalls(callsOf(this.message), results, runner);
    }
  }

  /** Show a text of ours under the message; '' for none. */
  showMark(text: string): void {
    setText(this.mark, text);
    this.mark.hidden = text === '';
  }

  /** Show the buttons, which an answer has when it has ended. */
  showFooter(isShown: boolean): void {
    this.footer.hidden = !isShown;
    this.buttons.remove.hidden = true; // Regenerate replaces it
  }

  /** Show a text of ours in place of an answer that has not begun. */
  showNotice(text: string): void {
    this.markdown.clear();
    this.content.append(h('span', { class: 'a3s-quiet' }, text));
  }

  /** Put a text field in place of a question. */
  edit(): void {
    if (this.editor !== null || this.buttons.edit.disabled) {
      return;
    }
    const { message, actions } = this;
    const close = () => {
      this.editor?.element.remove();
      this.editor = null;
      this.content.hidden = this.footer.hidden = false;
      this.buttons.edit.focus();
    };
    this.editor = new QuestionEditor(questionOf(message), actions.editNote(message), text => {
      if (text === null || actions.edit(message, text)) {
        close();
      }
    });
    this.content.hidden = this.footer.hidden = true;
    this.element.append(this.editor.element);
    this.editor.focus();
  }
}

class ThoughtsView {
  private readonly summary = h('summary', { class: 'a3s-quiet' });
  private readonly content = h('div', { class: 'a3s-thoughts', dir: 'auto' });
  readonly element = h('details', { class: 'a3s-folded' }, this.summary, this.content);
  private readonly markdown: MarkdownView;
  private thoughts = '';
  private seconds: number | null = null;

  constructor(tools: Tools) {
    this.markdown = new MarkdownView(this.content, tools);
    this.element.addEventListener('toggle', () => this.draw());
  }

  /** `seconds` is null if it is not known, or as before. */
  update(thoughts: string, seconds: number | null, isThinking: boolean): void {
    this.thoughts = thoughts;
    this.seconds = seconds ?? this.seconds;
    setText(this.summary, thoughtsTitle(this.seconds, isThinking));
    this.draw();
  }

  /** Render the thoughts only where they can be seen, because they are long. */
  private draw(): void {
    if (this.element.open) {
      this.markdown.show(this.thoughts);
    }
  }
}

function titleOf(role: string): string {
  switch (role) {
    case 'user':
      return trans.__('Question');
    case 'tool':
      return trans.__('Result');
    case 'assistant':
      return trans.__('Answer');
    default:
      return role;
  }
}

/** Return a chip that unfolds to what was sent, or the image. */
function attachmentView({ title, text, image, cut }: Attachment): HTMLElement {
  if (image !== undefined && isSafeImage(image)) {
    return h('img', { class: 'a3s-image', src: image, alt: title, title });
  }
  const summary = h('summary', { title: cut }, title, ...(cut === '' ? [] : [' ✂']));
  const note = h('div', { class: 'a3s-quiet' }, cut);
  const shown = h('pre', { dir: 'auto', tabindex: '0' }, image ?? text); // other images are not loaded
  return h('details', { class: 'a3s-chip', dir: 'auto' }, summary, note, shown);
}

function folded(line: string, text: string): HTMLElement {
  const summary = h('summary', {}, h('code', { dir: 'auto' }, line));
  return h('details', { class: 'a3s-folded' }, summary, h('pre', { dir: 'auto' }, text));
}
