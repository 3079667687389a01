/** A chat in progress: the conversation, and the answer that this page generates. */

import { messageOf, RequestError, type Transport } from '../../api/transport.js';
import { Answering, type Asking, NO_ANSWER, type ShownAnswer } from './answering.js';
import type { Attachment } from './attachment.js';
import { Authorship } from './authorship.js';
import type { Message, Parameters } from './chatCompletion.js';
import {
  asMessage,
  type Conversation,
  type ConversationStore,
  hasText,
  type PartialAnswer
} from './conversation.js';
import { contentOf, thoughtsOf } from './messageText.js';
import { NO_DRAFT } from './draft.js';
import { Listeners } from './listeners.js';
import { afterEdit, afterQuestion, continued } from './nextAnswer.js';
import { DEFAULT_TIMING, type Timing } from './timing.js';
import type { ToolRunner } from './toolRunner.js';
import { pendingCalls, upToQuestion, withoutMessage } from './turns.js';

/**
 * `answering` means that this page generates an answer and `elsewhere` that another page does.
 * `interrupted` means that the last message has no answer, or one that ended too early.
 */
export type Phase = 'idle' | 'answering' | 'elsewhere' | 'interrupted';

export class ChatSession {
  /** The question in the box, which a view that is made again shows. */
  draft = NO_DRAFT;
  private readonly listeners: Listeners;
  private readonly authorship: Authorship;
  private current: Conversation;
  private answering: Answering | null = null;
  private isCut = false;
  private isSaving = false;
  private saving: ReturnType<typeof setInterval> | undefined;
  private failure: unknown = null;
  /** The conversation before messages were deleted. */
  private deleted: Conversation | null = null;
  private readonly stopWatching: () => void;

  constructor(
    private readonly transport: Transport,
    private readonly store: ConversationStore,
    readonly tools: ToolRunner | null = null,
    private readonly timing: Timing = DEFAULT_TIMING,
    /** Id of the page. One that was loaded again may keep its id, and go on with its answers. */
    page = Math.random().toString(36).slice(2)
  ) {
    this.listeners = new Listeners(timing.linger, () => this.suspend());
    this.authorship = new Authorship(page, timing.silence, () => this.notify());
    this.current = store.get();
    this.stopWatching = store.onChange(() => {
      if (!this.isSaving) {
        this.receive(store.get());
      }
    });
  }

  get conversation(): Conversation {
    return this.current;
  }

  get phase(): Phase {
    if (this.answering !== null) {
      return 'answering';
    }
    if (this.authorship.isElsewhere) {
      return 'elsewhere';
    }
    const { answer } = this.current;
    return answer !== null || this.isLast('user', 'tool') ? 'interrupted' : 'idle';
  }

  /** Whether another answer cannot begin. */
  get isBusy(): boolean {
    const { phase } = this;
    return phase === 'answering' || phase === 'elsewhere';
  }

  /** The answer after the messages, which is complete or not; null if there is none. */
  get answer(): ShownAnswer | null {
    const { answer } = this.current;
    if (this.answering !== null) {
      return this.answering.shown;
    }
    if (answer === null) {
      return null;
    }
    const message = asMessage(answer);
    return { ...NO_ANSWER, content: contentOf(message), thoughts: thoughtsOf(message) };
  }

  /** The last question, if it failed. The next one replaces it. */
  get failedQuestion(): Message | null {
    const { messages, answer } = this.current;
    const hasFailed = this.failure !== null && answer === null && this.isLast('user');
    return hasFailed ? (messages.at(-1) ?? null) : null;
  }

  /** Whether the user stopped the last answer. */
  get isStopped(): boolean {
    return this.isCut;
  }

  /** Why the last answer failed; '' if it did not. */
  get error(): string {
    return this.failure === null ? '' : messageOf(this.failure);
  }

  /** The code of the error of the last answer; '' if there is none. */
  get errorCode(): string {
    return this.failure instanceof RequestError ? this.failure.code : '';
  }

  /** Whether the last answer ended before the model had finished it, or lacks after a result. */
  get canContinue(): boolean {
    return !this.isBusy && continued(this.current, this.isCut) !== null;
  }

  get canRegenerate(): boolean {
    return !this.isBusy && (this.phase === 'interrupted' || this.current.messages.length > 0);
  }

  /** Whether the last thing that happened is that messages were deleted. */
  get canUndo(): boolean {
    return this.deleted !== null && !this.isBusy;
  }

  /** Call `listener` after each change. Without listeners, the answer is stopped after a while. */
  subscribe(listener: () => void): () => void {
    return this.listeners.add(listener);
  }

  /** Stop for good. An answer that is generated can be continued later. */
  dispose(): void {
    this.listeners.dispose();
    this.authorship.dispose();
    this.suspend();
    this.stopWatching();
  }

  setModel(model: string): void {
    this.save({ ...this.current, model });
  }

  /** Set the parameters of the next requests. */
  setParameters(parameters: Parameters): void {
    this.save({ ...this.current, parameters });
  }

  /** Whether the last answer has calls that nobody has decided about, because the page was closed. */
  get canResume(): boolean {
    const { messages, parameters } = this.current;
    const hasTools = this.tools !== null && Boolean(parameters.tools?.length);
    return hasTools && !this.isBusy && pendingCalls(messages).length > 0;
  }

  /** Ask again about calls that nobody has decided about, and go on. */
  resume(asking: Asking): void {
    if (this.canResume) {
      this.generate(this.current.messages, null, asking);
    }
  }

  /** Ask a question. Returns false if it was not asked, because an answer is generated. */
  send(text: string, attachments: readonly Attachment[], asking: Asking): boolean {
    if (this.isBusy) {
      return false;
    }
    const hasFailed = this.failedQuestion !== null;
    this.generate(afterQuestion(this.current, hasFailed, text, attachments), null, asking);
    return true;
  }

  /** Ask a question in other words, in place of it and of what follows. Returns as `send`. */
  edit(index: number, text: string, asking: Asking): boolean {
    const messages = afterEdit(this.current.messages, index, text);
    if (this.isBusy || messages === null) {
      return false;
    }
    this.generate(messages, null, asking);
    return true;
  }

  /** Delete a message with what cannot be without it. */
  delete(index: number): void {
    if (!this.isBusy) {
      const { messages } = this.current;
      this.remove(withoutMessage(messages, index));
    }
  }

  /** Delete all messages. */
  clear(): void {
    this.yield();
    this.remove([]);
  }

  /** Bring back the messages that were deleted last. */
  undo(): void {
    if (this.deleted !== null && this.canUndo) {
      const { messages, answer } = this.deleted;
      this.deleted = null;
      this.save({ ...this.current, messages, answer });
    }
  }

  /** Go on with the last answer. */
  continue(asking: Asking): void {
    const next = this.isBusy ? null : continued(this.current, this.isCut);
    if (next !== null) {
      this.generate(next.messages, next.begun, asking);
    }
  }

  /** Replace the last answer, or give the one that is missing. */
  regenerate(asking: Asking): void {
    if (this.canRegenerate) {
      this.generate(upToQuestion(this.current.messages), null, asking);
    }
  }

  /** Whether this page was generating the answer when it was left. */
  get isOwnAnswer(): boolean {
    return this.phase === 'interrupted' && this.authorship.isOwn(this.current.answer);
  }

  /** Save the answer as it is now, because the page is about to end. */
  saveNow(): void {
    if (this.answering !== null) {
      this.save({ ...this.current, answer: this.partial() });
    }
  }

  /** Stop the answer and keep what has come. */
  stop(): void {
    this.answering?.stop();
  }

  private isLast(...roles: readonly string[]): boolean {
    return roles.includes(this.current.messages.at(-1)?.role ?? '');
  }

  /** Generate the answer to `messages`, which begins with the text of `begun`. */
  private generate(messages: readonly Message[], begun: Message | null, asking: Asking): void {
    const ifCurrent = (run: () => void) => () => {
      if (this.answering === answering) {
        run(); // otherwise another answer is generated by now
      }
    };
    const save = () =>
      this.save({ ...this.current, messages: answering.messages, answer: this.partial() });
    const { transport, tools } = this;
    const { model, parameters } = this.current;
    const onShown = ifCurrent(() => this.notify());
    const onMessages = ifCurrent(save);
    const toolNames = () => this.current.parameters.tools ?? [];
    const shared = { transport, tools, toolNames, model, parameters, asking };
    const options = { ...shared, onShown, onMessages };
    const answering = new Answering(options, messages, begun);
    this.answering = answering;
    this.failure = null;
    this.isCut = false;
    this.deleted = null;
    save(); // the question, before it is sent
    this.saving = setInterval(ifCurrent(save), this.timing.saveInterval);
    void answering.run().then(failure => ifCurrent(() => this.end(answering, failure))());
  }

  /** Save the answer as it is when it ends. One that failed is kept to be continued. */
  private end(answering: Answering, failure: unknown): void {
    const answer = this.partial();
    const { messages, isStopped } = answering;
    this.yield();
    this.failure = failure;
    this.isCut = isStopped;
    if (!hasText(answer)) {
      this.save({ ...this.current, messages, answer: null });
    } else if (failure !== null) {
      this.save({ ...this.current, messages, answer });
    } else {
      const all = [...messages, answering.message()];
      this.save({ ...this.current, messages: all, answer: null });
    }
  }

  /** End the answer because nobody looks at it any more, so that it can be continued. */
  private suspend(): void {
    if (this.answering !== null) {
      const answer = this.partial();
      this.yield();
      this.save({ ...this.current, answer });
    }
  }

  /** End the answer without saving it. */
  private yield(): void {
    const { answering } = this;
    clearInterval(this.saving);
    this.answering = null;
    answering?.stop();
  }

  private remove(messages: readonly Message[]): void {
    const before = this.current;
    this.failure = null;
    this.isCut = false;
    this.save({ ...before, messages, answer: null });
    this.deleted = before;
    this.notify();
  }

  /** Take over a conversation that another page or code in the notebook has set. */
  private receive(conversation: Conversation): void {
    const { messages, answer, model, parameters } = conversation;
    const isSame = isEqual(messages, this.current.messages);
    if (isSame && isEqual(answer, this.current.answer)) {
      const { current } = this;
      if (model !== current.model || !isEqual(parameters, current.parameters)) {
        this.current = { ...current, model, parameters };
        this.notify();
      }
      return;
    }
    if (this.answering !== null) {
      const known = this.current.messages.slice(0, messages.length);
      if (this.authorship.isOwn(answer) && isEqual(messages, known)) {
        return; // an earlier save of this page
      }
      this.yield(); // two pages must not write the same answer
    }
    this.isCut = false;
    this.failure = null;
    this.deleted = null;
    this.current = isSame ? { ...conversation, messages: this.current.messages } : conversation;
    this.authorship.watch(answer);
    this.notify();
  }

  private partial(): PartialAnswer {
    return this.authorship.sign(this.answering?.shown ?? NO_ANSWER);
  }

  private save(conversation: Conversation): void {
    this.current = conversation;
    this.isSaving = true;
    try {
      this.store.set(conversation); // may announce its parts one by one
    } finally {
      this.isSaving = false;
    }
    this.notify();
  }

  private notify(): void {
    this.listeners.notify();
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
