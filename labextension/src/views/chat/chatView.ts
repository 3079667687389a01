/** A chat with a model. */

import type { ModelState } from '../../api/types.js';
import { isInMemory, type State } from '../../state/state.js';
import type { ConnectionStatus, Store } from '../../state/store.js';
import { button, h, oncePerFrame, root, setText } from '../dom.js';
import { trans } from '../i18n.js';
import type { Asking } from './answering.js';
import { answerLine, measurementsOf } from './answerLine.js';
import type { Attachment } from './attachment.js';
import { ChatLog } from './chatLog.js';
import { EmptyChat } from './emptyChat.js';
import type { ChatHost } from './host.js';
import { choices } from './models.js';
import { withNotice } from './notice.js';
import { ParametersForm } from './parametersForm.js';
import { attachmentsOf, questionOf } from './question.js';
import type { ChatSession } from './session.js';

export class ChatView {
  readonly element: HTMLElement;
  private readonly modelSelect = h('select', { 'aria-label': trans.__('Model') });
  private readonly log = new ChatLog();
  private readonly empty: EmptyChat;
  private readonly parameters = new ParametersForm(parameters =>
    this.session.setParameters(parameters)
  );
  private readonly input = h('textarea', {
    rows: '2',
    dir: 'auto',
    'aria-label': trans.__('Message'),
    placeholder: trans.__('Send a message')
  });
  private readonly modelNote = h('div', { class: 'a3s-error', dir: 'auto', 'aria-live': 'polite' });
  private readonly status = h('span', { class: 'a3s-quiet', role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly sendButton = h(
    'button',
    { type: 'submit', class: 'a3s-button a3s-primary' },
    trans.__('Send')
  );
  private readonly stopButton = this.action(trans.__('Stop'), () => this.session.stop());
  private readonly clearButton = this.action(trans.__('Clear'), () => this.session.clear());
  private readonly continueButton = this.action(trans.__('Continue'), () =>
    this.session.continue(this.asking())
  );
  private readonly regenerateButton = this.action(trans.__('Regenerate'), () =>
    this.session.regenerate(this.asking())
  );
  private state: State | null = null;
  private isGone = false;
  private lastFailure = '';
  private attachments: readonly Attachment[] = [];
  private readonly draw = oncePerFrame(() => this.update());
  private readonly unsubscribe: readonly (() => void)[];

  constructor(
    store: Store,
    private readonly session: ChatSession,
    host: ChatHost
  ) {
    this.empty = new EmptyChat(store.transport, host, prompt => {
      this.ask(prompt);
      this.input.focus();
    });
    this.modelSelect.addEventListener('change', () => {
      this.session.setModel(this.modelSelect.value);
    });
    this.element = root(
      'a3s-chat',
      h('div', { class: 'a3s-row' }, this.modelSelect, this.clearButton),
      this.parameters.element,
      this.modelNote,
      this.empty.element,
      this.log.element,
      this.error,
      h('div', { class: 'a3s-row' }, this.continueButton, this.regenerateButton, this.status),
      this.createForm()
    );
    this.unsubscribe = [
      session.subscribe(this.draw),
      store.subscribe((state, connection) => this.updateState(state, connection))
    ];
    this.update();
  }

  dispose(): void {
    for (const unsubscribe of this.unsubscribe) {
      unsubscribe();
    }
  }

  /** Begin a question with a text and attachments, and send it if `send` is set. */
  suggest(text: string, attachments: readonly Attachment[], send: boolean): void {
    this.input.value = text || this.input.value;
    this.attachments = attachments;
    if (send) {
      this.submit();
    }
    this.input.focus();
  }

  /** Create a button that gives the focus to the input, because it may become disabled. */
  private action(text: string, run: () => void): HTMLButtonElement {
    return button(text, () => {
      run();
      this.input.focus();
    });
  }

  private createForm(): HTMLFormElement {
    const form = h('form', { class: 'a3s-row' }, this.input, this.sendButton, this.stopButton);
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener('keydown', event => {
      // An input method ends its composition with Enter. Safari reports that by the key code only.
      const { keyCode } = event as { readonly keyCode: number };
      const isComposing = event.isComposing || keyCode === 229;
      if (event.key === 'Enter' && !event.shiftKey && !isComposing) {
        event.preventDefault();
        this.submit();
      }
    });
    return form;
  }

  private submit(): void {
    const content = this.input.value.trim();
    if (content !== '' && this.ask(content)) {
      this.input.value = '';
      this.attachments = [];
    }
    this.input.focus();
  }

  private ask(content: string): boolean {
    if (this.sendButton.disabled) {
      return false;
    }
    if (this.session.conversation.model === '') {
      this.session.setModel(this.modelSelect.value);
    }
    return this.session.send(content, this.attachments, this.asking());
  }

  private asking(): Asking {
    const model = this.state?.models.get(this.modelSelect.value);
    return {
      isLocal: model?.format !== 'remote',
      isInMemory: model !== undefined && isInMemory(model)
    };
  }

  private modelState(): ModelState | null {
    return this.state?.models.get(this.modelSelect.value)?.state ?? null;
  }

  private updateState(state: State, connection: ConnectionStatus): void {
    const before = this.modelState();
    this.state = state;
    if (this.modelState() !== before && this.session.phase === 'answering') {
      this.draw();
    }
    this.empty.update(state, connection === 'connected');
    this.updateModels();
    this.updateButtons();
  }

  private update(): void {
    const { session } = this;
    const { messages } = session.conversation;
    const isEmpty = messages.length === 0 && session.answer === null;
    this.empty.element.hidden = !isEmpty;
    this.log.element.hidden = isEmpty;
    const { answer, phase } = session;
    const isAwaited = answer !== null && phase === 'answering';
    const shown = isAwaited ? withNotice(answer, this.modelState()) : answer;
    this.log.update(messages, shown, phase);
    this.parameters.show(session.conversation.parameters);
    this.updateModels();
    this.updateButtons();
    this.showOutcome();
  }

  private showOutcome(): void {
    const { error, failedQuestion, isStopped, conversation } = this.session;
    setText(this.error, error);
    if (error !== this.lastFailure) {
      this.lastFailure = error;
      if (failedQuestion !== null && this.input.value === '') {
        this.input.value = questionOf(failedQuestion); // let the user try again
        this.attachments = attachmentsOf(failedQuestion);
      }
    }
    const measurements = measurementsOf(conversation.messages.at(-1)?.measurements);
    const line = measurements === null ? '' : answerLine(measurements);
    setText(this.status, [isStopped && trans.__('stopped'), line].filter(Boolean).join(' · '));
  }

  private updateButtons(): void {
    const { phase, isBusy, canContinue, canRegenerate, conversation } = this.session;
    const canAsk = this.modelSelect.value !== '' && !this.isGone;
    this.sendButton.disabled = isBusy || !canAsk;
    this.stopButton.disabled = phase !== 'answering';
    this.continueButton.disabled = !canContinue || !canAsk;
    this.regenerateButton.disabled = !canRegenerate || !canAsk;
    this.clearButton.disabled = conversation.messages.length === 0;
  }

  /** List the models that can chat, and choose the one of the conversation. */
  private updateModels(): void {
    if (this.state === null) {
      return;
    }
    const { models, instance } = this.state;
    const { model } = this.session.conversation;
    const names = choices(models, model);
    this.isGone = instance !== null && model !== '' && !models.has(model);
    const listed = [...this.modelSelect.options].map(option => option.value);
    if (names.join('\n') !== listed.join('\n')) {
      this.modelSelect.replaceChildren(
        ...names.map(name => h('option', { value: name, dir: 'auto' }, name))
      );
    }
    const chosen = model || this.modelSelect.value || (names[0] ?? '');
    if (this.modelSelect.value !== chosen) {
      this.modelSelect.value = chosen;
    }
    const note = trans.__('%1 is not on this server any more. Choose another model.', model);
    setText(this.modelNote, this.isGone ? note : '');
  }
}
