/** The answer that this page generates: one or more requests, with calls of tools between them. */

import { messageOf, type Transport } from '../../api/transport.js';
import { type Answer, readingText, withoutTimes } from './answerLine.js';
import { chatRequest, type Message, type Parameters, streamAnswer } from './chatCompletion.js';
import { contentOf, thoughtsOf } from './messageText.js';
import type { ToolCall, ToolRunner } from './toolRunner.js';

/** Milliseconds after which the progress in the prompt is shown. */
const READING_DELAY = 500;

/** The result of a call that was not run to its end. */
const STOPPED = 'The user stopped the answer before this call had a result.';

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
}

export const NO_ANSWER: ShownAnswer = {
  content: '',
  thoughts: '',
  seconds: null,
  notice: '',
  calls: []
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

  /** `begun` is an answer that is continued, which follows `messages`. */
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

  /** Generate the answer. Returns why it failed; '' if it did not. */
  async run(): Promise<string> {
    try {
      while (await this.request()) {
        this.begun = null;
        this.reset();
      }
      return '';
    } catch (error) {
      return messageOf(error);
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
      onReading: (processed: number, total: number) => {
        if (performance.now() - started >= READING_DELAY && !this.hasBegun()) {
          this.show({ notice: readingText(processed, total) });
        }
      }
    };
    const prompt = this.begun === null ? this.messages : [...this.messages, this.begun];
    const definitions = tools?.definitions(parameters.tools ?? []) ?? [];
    const request = chatRequest(model, prompt, parameters, asking.isLocal, definitions);
    const measured = await streamAnswer(transport, request, listener, signal);
    this.measured = asking.isInMemory ? measured : withoutTimes(measured);
    return this.shown.calls.length > 0 && !signal.aborted && (await this.runCalls());
  }

  /** Add the answer with its calls, and their results. Returns whether the model gets them. */
  private async runCalls(): Promise<boolean> {
    const { tools } = this.options;
    const calls = this.shown.calls.map((call, index) => ({
      ...call,
      id: call.id || `call_${this.messages.length}_${index}`
    }));
    this.add(this.message(calls));
    this.reset();
    if (tools === null) {
      return false;
    }
    const missing = new Set(calls.map(({ id }) => id));
    const onResult = (result: Message) => {
      missing.delete(String(result.tool_call_id));
      this.add(result);
    };
    const { signal } = this.controller;
    const goesOn = await tools.run(calls, onResult, signal);
    for (const id of missing) {
      this.add({ role: 'tool', tool_call_id: id, content: STOPPED });
    }
    return goesOn && !signal.aborted;
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
