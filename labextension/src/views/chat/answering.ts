/** The answer that this page generates: one or more requests, with calls of tools between them. */

import type { Transport } from '../../api/transport.js';
import { type Answer, readingText, withoutTimes } from './answerLine.js';
import { chatRequest, type Message, type Parameters, streamAnswer } from './chatCompletion.js';
import { contentOf, thoughtsOf } from './messageText.js';
import type { ToolCall, ToolRunner } from './toolRunner.js';
import { callingAnswers, pendingCalls, STOPPED, withOwnIds, withResults } from './turns.js';

/** Milliseconds after which the progress in the prompt is shown. */
const READING_DELAY = 500;

/** The answer that is shown after the messages. */
export interface ShownAnswer {
  readonly content: string;
  readonly thoughts: string;
  /** Seconds of thinking; null if they are not known. */
  readonly seconds: number | null;
  /** Text of ours in place of an answer that has not begun. */
  readonly notice: string;
  /** Calls that the model is writing. */
  readonly calls: readonly ToolCall[];
  /** Tokens of the prompt and the answer so far; null if the server does not count them. */
  readonly tokens: number | null;
}

export const NO_ANSWER: ShownAnswer = {
  content: '',
  thoughts: '',
  seconds: null,
  notice: '',
  calls: [],
  tokens: null
};

/** How an answer is asked for. */
export interface Asking {
  /** Whether this server or another machine generates the answer. */
  readonly isLocal: boolean;
  /** Whether the model is in memory. Otherwise the times include its load. */
  readonly isInMemory: boolean;
}

export interface AnsweringOptions {
  readonly transport: Transport;
  readonly tools: ToolRunner | null;
  readonly model: string;
  readonly parameters: Parameters;
  /** Return the names of the tools that the conversation has now. */
  readonly toolNames: () => readonly string[];
  readonly asking: Asking;
  /** Called when something new is shown. */
  readonly onShown: () => void;
  /** Called when messages were added. */
  readonly onMessages: () => void;
}

export class Answering {
  shown: ShownAnswer = NO_ANSWER;
  /** Measurements of the last request. */
  measured: Answer | null = null;
  private readonly controller = new AbortController();

  /**
   * `begun` is an answer that is continued, which follows `messages`. Calls at the end of `messages`
   * that have no result yet are run first.
   */
  constructor(
    private readonly options: AnsweringOptions,
    public messages: readonly Message[],
    private begun: Message | null
  ) {
    this.reset();
  }

  get isStopped(): boolean {
    return this.controller.signal.aborted;
  }

  stop(): void {
    this.controller.abort();
  }

  /** Generate the answer. Returns the error; null if there was none. */
  async run(): Promise<unknown> {
    try {
      const pending = this.options.tools === null ? [] : pendingCalls(this.messages);
      let goesOn = pending.length === 0 || (await this.runCalls(pending));
      while (goesOn) {
        goesOn = await this.request();
        this.begun = goesOn ? null : this.begun;
        if (goesOn) {
          this.reset();
        }
      }
      return null;
    } catch (error) {
      return error;
    }
  }

  /** Send one request, and run what it calls. Returns whether another request has to follow. */
  private async request(): Promise<boolean> {
    const { transport, tools, model, parameters, asking } = this.options;
    const { content, thoughts } = this.shown;
    const { signal } = this.controller;
    const started = performance.now();
    const listener = {
      onText: (text: string) => this.show({ content: content + text, notice: '' }),
      onThoughts: (text: string, seconds: number) =>
        this.show({ thoughts: thoughts + text, seconds, notice: '' }),
      onCalls: (calls: readonly ToolCall[]) => this.show({ calls, notice: '' }),
      onTokens: (tokens: number) => this.show({ tokens }),
      onReading: (processed: number, total: number) => {
        if (performance.now() - started >= READING_DELAY && !this.hasBegun()) {
          this.show({ notice: readingText(processed, total) });
        }
      }
    };
    const prompt = this.begun === null ? this.messages : [...this.messages, this.begun];
    const definitions = tools?.definitions(this.options.toolNames()) ?? [];
    const request = chatRequest(model, prompt, parameters, asking.isLocal, definitions);
    const measured = await streamAnswer(transport, request, listener, signal);
    this.measured = asking.isInMemory ? measured : withoutTimes(measured);
    if (this.shown.calls.length === 0 || signal.aborted) {
      return false;
    }
    const calls = withOwnIds(this.shown.calls, this.messages);
    this.add(this.message(calls));
    this.reset();
    return await this.runCalls(calls);
  }

  /** Run the calls of the last answer, and add their results. Returns whether the model gets them. */
  private async runCalls(calls: readonly ToolCall[]): Promise<boolean> {
    const { tools, toolNames } = this.options;
    if (tools === null) {
      return false;
    }
    const { signal } = this.controller;
    const turn = {
      names: toolNames,
      round: callingAnswers(this.messages) - 1,
      onResult: (result: Message) => this.addResult(result)
    };
    const goesOn = await tools.run(calls, turn, signal);
    this.messages = withResults(this.messages, STOPPED);
    this.options.onMessages();
    return goesOn && !signal.aborted;
  }

  /** Add the result of a call, in place of an earlier one of the same call. */
  private addResult(result: Message): void {
    const isEarlier = ({ role, tool_call_id: id }: Message) =>
      role === 'tool' && id === result.tool_call_id;
    const index = this.messages.findIndex(isEarlier);
    if (index === -1) {
      this.add(result);
    } else {
      this.messages = this.messages.map((message, i) => (i === index ? result : message));
      this.options.onMessages();
    }
  }

  /** Return what has come as a message. */
  message(calls: readonly ToolCall[] = []): Message {
    const { content, thoughts } = this.shown;
    return {
      role: 'assistant',
      content,
      ...(thoughts !== '' && { reasoning_content: thoughts }),
      ...(calls.length > 0 && { tool_calls: calls.map(asCall) }),
      ...(this.measured !== null && { measurements: this.measured })
    };
  }

  private add(message: Message): void {
    this.messages = [...this.messages, message];
    this.options.onMessages();
  }

  private hasBegun(): boolean {
    const { content, thoughts, calls } = this.shown;
    return content !== '' || thoughts !== '' || calls.length > 0;
  }

  private reset(): void {
    const { begun } = this;
    this.measured = null;
    this.shown =
      begun === null
        ? NO_ANSWER
        : { ...NO_ANSWER, content: contentOf(begun), thoughts: thoughtsOf(begun) };
  }

  private show(change: Partial<ShownAnswer>): void {
    this.shown = { ...this.shown, ...change };
    this.options.onShown();
  }
}

function asCall({ id, name, arguments: parameters }: ToolCall): object {
  return { id, type: 'function', function: { name, arguments: parameters } };
}
