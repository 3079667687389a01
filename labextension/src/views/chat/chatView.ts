/** A chat with a model. */

import { isInMemory, type State } from '../../state/state.js';
import type { ConnectionStatus, Store } from '../../state/store.js';
import { button, h, oncePerFrame, root, setText } from '../dom.js';
import { trans } from '../i18n.js';
import type { Asking } from './answering.js';
import type { Attachment } from './attachment.js';
import { AttachmentCounts } from './attachmentCounts.js';
import type { Parameters } from './chatCompletion.js';
import { ChatLog } from './chatLog.js';
import type { Tools } from './codeBlock.js';
import { Composer } from './composer.js';
import { ContextMeter } from './contextMeter.js';
import { isCountable } from './contextUse.js';
import type { Draft } from './draft.js';
import { EmptyChat } from './emptyChat.js';
import { FullContext } from './fullContext.js';
import type { ChatHost } from './host.js';
import { MessageDeeds } from './messageDeeds.js';
import { ModelPicker } from './modelPicker.js';
import { imageRefusal } from './models.js';
import { withNotice } from './notice.js';
import { Outcome } from './outcome.js';
import { ParametersForm } from './parametersForm.js';
import { PresetPicker } from './presetPicker.js';
import { asQuestion } from './question.js';
import type { ChatSession } from './session.js';
import { toolsRefusal, ToolsToggle } from './toolsToggle.js';

/** Tokens that an attachment may have where the context is not known. */
const DEFAULT_ROOM = 2_000;

/** Share of the free context that is left to the question and its answer. */
const RESERVE = 0.3;

export class ChatView {
  readonly element: HTMLElement;
  private readonly picker = new ModelPicker(
    name => this.setModel(name),
    () => this.host.defaultModel?.get() ?? ''
  );
  private readonly log: ChatLog;
  private readonly empty: EmptyChat;
  private readonly parameters: ParametersForm;
  private readonly presets: PresetPicker | null;
  private readonly composer: Composer;
  private readonly meter: ContextMeter;
  private readonly fullContext: FullContext;
  private readonly counts: AttachmentCounts;
  private readonly modelNote = h('div', { class: 'a3s-error', dir: 'auto', 'aria-live': 'polite' });
  private readonly said = h('div', { class: 'a3s-hidden', 'aria-live': 'polite' });
  private readonly outcome: Outcome;
  private readonly toolsToggle = new ToolsToggle(isOn => this.turnTools(isOn));
  private readonly clearButton = button(trans.__('Clear'), () => {
    this.session.clear();
    this.composer.focus();
  });
  private state: State | null = null;
  private isGone = false;
  private readonly draw = oncePerFrame(() => this.update());
  private readonly cleanups: readonly (() => void)[];

  constructor(
    store: Store,
    private readonly session: ChatSession,
    private readonly host: ChatHost
  ) {
    const { transport } = store;
    const report = (error: string) => this.report(error);
    this.meter = new ContextMeter(transport);
    this.counts = new AttachmentCounts(transport);
    this.composer = new Composer(
      {
        context: host.context,
        send: draft => this.ask(draft),
        stop: () => session.stop(),
        editLast: () => this.log.editLast(),
        onChange: draft => this.showDraft(draft),
        imageRefusal: () => this.imageRefusal(),
        room: () => this.room(),
        report
      },
      ...(host.tools === undefined ? [] : [this.toolsToggle.element]),
      this.meter.element
    );
    this.parameters = new ParametersForm(parameters => session.setParameters(parameters));
    this.presets =
      host.presets === undefined
        ? null
        : new PresetPicker(
            host.presets,
            () => withTools(session.conversation.parameters, []),
            parameters => this.usePreset(parameters),
            report
          );
    if (this.presets !== null) {
      this.parameters.element.append(this.presets.element);
    }
    this.fullContext = new FullContext(
      transport,
      () => (host.newChat ?? (() => session.clear()))(),
      report
    );
    const tools: Tools = {
      copy: text => host.copy(text),
      codeActions: host.codeActions ?? [],
      report,
      announce: text => setText(this.said, text)
    };
    const deeds = new MessageDeeds(
      session,
      () => this.asking(),
      () => this.composer.focus()
    );
    this.log = new ChatLog(tools, deeds, session.tools);
    this.empty = new EmptyChat(transport, host, prompt => {
      this.ask({ text: prompt, attachments: [] });
      this.composer.focus();
    });
    this.outcome = new Outcome(session, () => this.asking(), this.composer);
    this.element = this.createElement();
    this.cleanups = [
      session.subscribe(this.draw),
      store.subscribe((state, connection) => this.updateState(state, connection)),
      session.tools?.onChange(this.draw) ?? (() => undefined),
      this.composer.acceptDrops(this.element),
      () => this.log.dispose(),
      () => this.meter.dispose(),
      () => this.presets?.dispose()
    ];
    this.composer.setDraft(session.draft);
    this.update();
  }

  dispose(): void {
    for (const cleanup of this.cleanups) {
      cleanup();
    }
  }

  setDraft(draft: Draft): void {
    this.composer.setDraft(draft);
  }

  /** Put a question into the box, or send it at once. Text that is '' leaves what is there. */
  suggest(text: string, attachments: readonly Attachment[], send: boolean): void {
    const draft = { text: text || this.composer.draft.text, attachments };
    if (!send || !this.ask(draft)) {
      this.composer.setDraft(draft);
    }
    this.composer.focus();
  }

  private createElement(): HTMLElement {
    return root(
      'a3s-chat',
      h('div', { class: 'a3s-row a3s-chat-head' }, this.picker.element, this.clearButton),
      this.parameters.element,
      this.modelNote,
      this.empty.element,
      this.log.element,
      this.outcome.error,
      this.meter.warning,
      this.fullContext.element,
      this.outcome.element,
      this.composer.element,
      this.said
    );
  }

  private ask({ text, attachments }: Draft): boolean {
    if (!this.canAsk() || this.session.isBusy) {
      return false;
    }
    const hasImages = attachments.some(({ image }) => image !== undefined);
    const refusal = hasImages ? this.imageRefusal() : '';
    this.report(refusal);
    if (refusal !== '') {
      return false;
    }
    if (this.session.conversation.model === '') {
      this.setModel(this.picker.value);
    }
    return this.session.send(text, attachments, this.asking());
  }

  private setModel(name: string): void {
    this.session.setModel(name);
    this.host.defaultModel?.set(name);
  }

  private asking(): Asking {
    const model = this.picker.current;
    return {
      isLocal: model?.format !== 'remote',
      isInMemory: model !== undefined && isInMemory(model)
    };
  }

  private canAsk(): boolean {
    return this.picker.value !== '' && !this.isGone;
  }

  private imageRefusal(): string {
    return this.state === null ? '' : imageRefusal(this.state.models, this.picker.value);
  }

  /** Return how many tokens an attachment may have so that there is room for an answer. */
  private room(): number {
    const { tokens, limit } = this.meter.current;
    return limit === null
      ? DEFAULT_ROOM
      : Math.max(0, Math.floor((limit - tokens) * (1 - RESERVE)));
  }

  private report(error: string): void {
    this.outcome.report(error);
  }

  private updateState(state: State, connection: ConnectionStatus): void {
    const before = this.picker.current?.state;
    this.state = state;
    this.empty.update(state, connection === 'connected');
    this.updateModels();
    this.updateAbilities();
    this.updateMeter();
    if (this.picker.current?.state !== before) {
      this.draw();
    }
  }

  private showDraft(draft: Draft): void {
    this.session.draft = draft;
    this.updateMeter();
  }

  private update(): void {
    const { answer, phase, conversation, canRegenerate, isBusy } = this.session;
    const { messages } = conversation;
    const isEmpty = messages.length === 0 && answer === null;
    const isAnswering = phase === 'answering';
    this.empty.element.hidden = !isEmpty;
    this.log.element.hidden = isEmpty;
    this.updateModels();
    const state = this.picker.current?.state ?? null;
    this.log.update({
      messages,
      answer: this.session.tools?.isActive
        ? null // a call waits for the user or runs, and shows that itself
        : answer !== null && isAnswering
          ? withNotice(answer, state)
          : answer,
      mark: this.mark(),
      isAnswering,
      abilities: {
        canEdit: !isBusy && this.canAsk(),
        canRegenerate: canRegenerate && this.canAsk()
      }
    });
    this.parameters.show(conversation.parameters);
    this.updateAbilities();
    if (this.session.canResume && this.canAsk()) {
      this.session.resume(this.asking()); // asks about calls that waited when the page was closed
    }
    this.outcome.update(this.canAsk());
    this.updateMeter();
  }

  private mark(): string {
    switch (this.session.phase) {
      case 'interrupted':
        return trans.__('Incomplete: the answer was interrupted.');
      case 'elsewhere':
        return trans.__('Being answered on another page.');
      default:
        return '';
    }
  }

  /** Use the parameters of a preset, but not its tools: they are turned on for a conversation. */
  private usePreset(parameters: Parameters): void {
    const { tools = [] } = this.session.conversation.parameters;
    this.session.setParameters(withTools(parameters, tools));
  }

  /** Let the model call tools in this conversation, or not. */
  private turnTools(isOn: boolean): void {
    const names = (this.host.tools?.() ?? []).map(({ name }) => name);
    this.session.tools?.forgetAllowed();
    this.session.setParameters(withTools(this.session.conversation.parameters, isOn ? names : []));
  }

  private updateAbilities(): void {
    const { phase, isBusy, conversation } = this.session;
    const hasTools = Boolean(conversation.parameters.tools?.length);
    this.toolsToggle.update(hasTools, toolsRefusal(this.picker.current));
    this.composer.setAbilities(!isBusy && this.canAsk(), phase === 'answering');
    this.clearButton.disabled = conversation.messages.length === 0;
  }

  /** Show the tokens of the conversation with the draft, and of its attachments. */
  private updateMeter(): void {
    const { session } = this;
    if (session.phase === 'answering') {
      const tokens = session.answer?.tokens ?? null;
      if (tokens !== null) {
        this.meter.follow(tokens, this.picker.current);
      }
      return; // the draft is counted when the answer has ended
    }
    const { text, attachments } = this.composer.draft;
    const model = this.picker.current;
    const isDraft = text.trim() !== '' || attachments.length > 0;
    // A question that failed is in the box again, and would count twice.
    const { failedQuestion, conversation } = session;
    const messages =
      failedQuestion === null ? conversation.messages : conversation.messages.slice(0, -1);
    const draft = isDraft ? asQuestion(text, attachments) : null;
    this.meter.update({ ...conversation, messages }, draft, model);
    const counted = model !== undefined && isCountable(model) ? model.id : null;
    void this.counts.count(attachments, counted, (attachment, tokens, isCounted) =>
      this.composer.chips.showTokens(attachment, tokens, isCounted)
    );
    const isFull = session.errorCode === 'context_length_exceeded' || this.meter.isFull;
    this.fullContext.update(isFull, model, this.meter.current.tokens);
  }

  /** List the models that can chat, and choose the one of the conversation. */
  private updateModels(): void {
    if (this.state === null) {
      return;
    }
    const { models, instance } = this.state;
    const { model } = this.session.conversation;
    this.picker.update(this.state, model);
    this.isGone = instance !== null && model !== '' && !models.has(model);
    const note = trans.__('%1 is not on this server any more. Choose another model.', model);
    setText(this.modelNote, this.isGone ? note : '');
  }
}

/** Return parameters with other tools. */
function withTools({ tools: _others, ...rest }: Parameters, tools: readonly string[]): Parameters {
  return tools.length === 0 ? rest : { ...rest, tools };
}
