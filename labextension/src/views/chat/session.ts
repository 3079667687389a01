/** A chat in progress: the conversation, and the answer that this page generates. */

import { messageOf, type Transport } from '../../api/transport.js';
import { type Answer, readingText, withoutTimes } from './answerLine.js';
import { chatRequest, type Message, type Parameters, streamAnswer } from './chatCompletion.js';
import {
  asMessage,
  type Conversation,
  type ConversationStore,
  hasText,
  type PartialAnswer
} from './conversation.js';
import { contentOf, thoughtsOf } from './messageText.js';

/** Milliseconds between two saves of an answer that is generated. */
const SAVE_INTERVAL = 1_000;

/** Milliseconds without a save after which another page does not generate any more. */
const SILENCE = 5_000;

/** Milliseconds for which an answer goes on without a view, because JupyterLab may make a new one. */
const LINGER = 2_000;

/** Milliseconds after which the progress in the prompt is shown. */
const READING_DELAY = 500;

/**
 * `answering` means that this page generates an answer and `elsewhere` that another page does.
 * `interrupted` means that the last message has no answer, or one that ended too early.
 */
export type Phase = 'idle' | 'answering' | 'elsewhere' | 'interrupted';

/** The answer that is shown after the messages. */
export interface ShownAnswer {
  readonly content: string;
  readonly thoughts: string;
  /** Seconds of thinking; null if they are not known. */
  readonly seconds: number | null;
  /** Text of ours in place of an answer that has not begun. */
  readonly notice: string;
}

/** How an answer is asked for. */
export interface Asking {
  readonly parameters: Parameters;
  /** Whether this server or another machine generates the answer. */
  readonly isLocal: boolean;
  /** Whether the model is in memory. Otherwise the times include its load. */
  readonly isInMemory: boolean;
}

export interface Timing {
  readonly saveInterval: number;
  readonly silence: number;
  readonly linger: number;
}

export class ChatSession {
  private readonly page = Math.random().toString(36).slice(2);
  private readonly listeners = new Set<() => void>();
  private current: Conversation;
  private answering: AbortController | null = null;
  private shown: ShownAnswer | null = null;
  private isElsewhere = false;
  private isCut = false;
  private isSaving = false;
  private beat = 0;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private lingering: ReturnType<typeof setTimeout> | undefined;
  private failure = '';
  private measured: Answer | null = null;
  private readonly stopWatching: () => void;

  constructor(
    private readonly transport: Transport,
    private readonly store: ConversationStore,
    private readonly timing: Timing = {
      saveInterval: SAVE_INTERVAL,
      silence: SILENCE,
      linger: LINGER
    }
  ) {
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
    if (this.isElsewhere) {
      return 'elsewhere';
    }
    const last = this.current.messages.at(-1);
    return this.current.answer !== null || last?.role === 'user' ? 'interrupted' : 'idle';
  }

  /** The answer after the messages, which is complete or not; null if there is none. */
  get answer(): ShownAnswer | null {
    const { answer } = this.current;
    if (this.answering !== null) {
      return this.shown;
    }
    return (
      answer && {
        content: contentOf(asMessage(answer)),
        thoughts: thoughtsOf(asMessage(answer)),
        seconds: null,
        notice: ''
      }
    );
  }

  /** The last question, if it failed. The next one replaces it. */
  get failedQuestion(): string {
    const last = this.current.messages.at(-1);
    return this.hasFailedQuestion && last ? contentOf(last) : '';
  }

  private get hasFailedQuestion(): boolean {
    const { messages, answer } = this.current;
    return this.failure !== '' && answer === null && messages.at(-1)?.role === 'user';
  }

  /** Whether the user stopped the last answer. */
  get isStopped(): boolean {
    return this.isCut;
  }

  /** Why the last answer failed; '' if it did not. */
  get error(): string {
    return this.failure;
  }

  /** Measurements of the last answer of this page. */
  get measurements(): Answer | null {
    return this.measured;
  }

  /** Whether the last answer ended before the model had finished it. */
  get canContinue(): boolean {
    const { answer, messages } = this.current;
    const { phase } = this;
    if (phase === 'answering' || phase === 'elsewhere') {
      return false;
    }
    if (answer !== null) {
      return contentOf(asMessage(answer)) !== '';
    }
    return this.isCut && messages.at(-1)?.role === 'assistant';
  }

  get canRegenerate(): boolean {
    const { phase } = this;
    return phase === 'interrupted' || (phase === 'idle' && this.current.messages.length > 0);
  }

  /** Call `listener` after each change. Without listeners, the answer is stopped after a while. */
  subscribe(listener: () => void): () => void {
    clearTimeout(this.lingering);
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.lingering = setTimeout(() => this.suspend(), this.timing.linger);
      }
    };
  }

  /** Stop for good. An answer that is generated can be continued later. */
  dispose(): void {
    clearTimeout(this.lingering);
    clearTimeout(this.silence);
    this.suspend();
    this.stopWatching();
  }

  setModel(model: string): void {
    this.save({ ...this.current, model });
  }

  /** Ask a question. Returns false if it was not asked, because an answer is generated. */
  send(content: string, asking: Asking): boolean {
    if (this.phase === 'answering' || this.phase === 'elsewhere') {
      return false;
    }
    const { answer } = this.current;
    const messages = this.hasFailedQuestion
      ? this.current.messages.slice(0, -1)
      : this.current.messages;
    const before = hasText(answer) ? [...messages, asMessage(answer)] : messages;
    void this.generate([...before, { role: 'user', content }], null, asking);
    return true;
  }

  /** Go on with the last answer. */
  continue(asking: Asking): void {
    if (!this.canContinue) {
      return;
    }
    const { messages, answer } = this.current;
    const begun = answer === null ? messages.at(-1) : asMessage(answer);
    void this.generate(answer === null ? messages.slice(0, -1) : messages, begun ?? null, asking);
  }

  /** Replace the last answer, or give the one that is missing. */
  regenerate(asking: Asking): void {
    if (!this.canRegenerate) {
      return;
    }
    const { messages } = this.current;
    const end = messages.map(message => message.role).lastIndexOf('user') + 1;
    void this.generate(end === 0 ? messages : messages.slice(0, end), null, asking);
  }

  /** Stop the answer and keep what has come. */
  stop(): void {
    this.answering?.abort();
  }

  clear(): void {
    this.yield();
    this.failure = '';
    this.measured = null;
    this.save({ ...this.current, messages: [], answer: null });
  }

  /** Generate the answer to `messages`, which begins with the text of `begun`. */
  private async generate(
    messages: readonly Message[],
    begun: Message | null,
    { parameters, isLocal, isInMemory }: Asking
  ): Promise<void> {
    const answering = new AbortController();
    const { signal } = answering;
    this.answering = answering;
    this.failure = '';
    this.measured = null;
    this.isCut = false;
    const content = begun === null ? '' : contentOf(begun);
    const thoughts = begun === null ? '' : thoughtsOf(begun);
    this.show({ content, thoughts, seconds: null, notice: '' });
    // The question is saved before it is sent.
    this.save({ ...this.current, messages, answer: this.partial() });
    const saving = setInterval(() => {
      this.save({ ...this.current, answer: this.partial() });
    }, this.timing.saveInterval);
    const started = performance.now();
    const listener = {
      onText: (text: string) => this.show({ content: content + text, notice: '' }, signal),
      onThoughts: (text: string, seconds: number) =>
        this.show({ thoughts: thoughts + text, seconds, notice: '' }, signal),
      onReading: (processed: number, total: number) => {
        if (performance.now() - started >= READING_DELAY && !hasText(this.partial())) {
          this.show({ notice: readingText(processed, total) }, signal);
        }
      }
    };
    const prompt = begun === null ? messages : [...messages, begun];
    const request = chatRequest(this.current.model, prompt, parameters, isLocal);
    let failure = '';
    try {
      const measured = await streamAnswer(this.transport, request, listener, signal);
      if (this.answering === answering) {
        this.measured = isInMemory ? measured : withoutTimes(measured);
      }
    } catch (error) {
      failure = messageOf(error);
    } finally {
      clearInterval(saving);
    }
    if (this.answering === answering) {
      this.end(failure, signal.aborted);
    }
  }

  /** Save the answer as it is when it ends. One that failed is kept to be continued. */
  private end(failure: string, isStopped: boolean): void {
    const answer = this.partial();
    this.answering = null;
    this.shown = null;
    this.failure = failure;
    this.isCut = isStopped;
    const { messages } = this.current;
    if (!hasText(answer)) {
      this.save({ ...this.current, answer: null });
    } else if (failure !== '') {
      this.save({ ...this.current, answer });
    } else {
      this.save({ ...this.current, messages: [...messages, asMessage(answer)], answer: null });
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
    this.answering = null;
    this.shown = null;
    answering?.abort();
  }

  /** Take over a conversation that another page or code in the notebook has set. */
  private receive(conversation: Conversation): void {
    const { messages, answer, model } = conversation;
    const isSame = isEqual(messages, this.current.messages);
    if (isSame && isEqual(answer, this.current.answer)) {
      if (model !== this.current.model) {
        this.current = { ...this.current, model };
        this.notify();
      }
      return;
    }
    if (this.answering !== null) {
      if (isSame && answer?.page === this.page) {
        return; // an earlier save of this page
      }
      this.yield(); // two pages must not write the same answer
    }
    this.isCut = false;
    this.failure = '';
    this.current = isSame ? { ...conversation, messages: this.current.messages } : conversation;
    clearTimeout(this.silence);
    this.isElsewhere = answer !== null && answer.page !== '' && answer.page !== this.page;
    if (this.isElsewhere) {
      this.silence = setTimeout(() => {
        this.isElsewhere = false;
        this.notify();
      }, this.timing.silence);
    }
    this.notify();
  }

  private partial(): PartialAnswer {
    const { content = '', thoughts = '' } = this.shown ?? {};
    this.beat += 1;
    return {
      content,
      ...(thoughts !== '' && { reasoning_content: thoughts }),
      page: this.page,
      beat: this.beat
    };
  }

  private show(change: Partial<ShownAnswer>, signal?: AbortSignal): void {
    if (signal?.aborted && this.answering?.signal !== signal) {
      return; // another answer is shown by now
    }
    this.shown = {
      content: '',
      thoughts: '',
      seconds: null,
      notice: '',
      ...this.shown,
      ...change
    };
    this.notify();
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
    for (const listener of this.listeners) {
      listener();
    }
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
