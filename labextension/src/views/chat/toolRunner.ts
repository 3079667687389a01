/** How a chat runs the functions that a model calls. */

import type { Message } from './chatCompletion.js';

/** A call of an answer. */
export interface ToolCall {
  /** Id of the call, which its result repeats. */
  readonly id: string;
  readonly name: string;
  /** Arguments as JSON, which the model may have written wrongly. */
  readonly arguments: string;
}

export type CallState = 'asking' | 'running' | 'done' | 'failed' | 'refused';

/** The answer that calls belong to. */
export interface CallTurn {
  /** Return the names of the tools that the conversation has now. */
  names(): readonly string[];
  /** How many answers with calls precede this one since the question. */
  readonly round: number;
  /**
   * Called with a message of the role `tool` when a call begins, and again when it ends.
   *
   * The first one says that the result is not known. It is saved before the call runs, so that a
   * page that is loaded meanwhile does not run it again.
   */
  onResult(result: Message): void;
}

export interface ToolRunner {
  /** Return the definitions of the tools with `names` for the request, in OpenAI's format. */
  definitions(names: readonly string[]): readonly object[];
  /**
   * Run the calls of an answer.
   *
   * Returns whether the model gets the results and goes on. When `signal` is aborted, resolves at
   * once; the session then adds what is missing, because each call needs a result.
   */
  run(calls: readonly ToolCall[], turn: CallTurn, signal: AbortSignal): Promise<boolean>;
  /** Return what a call is doing; null if it is not one of this page. */
  stateOf(id: string): CallState | null;
  /** Return what asks the user whether a call may run; null if nothing is asked. */
  questionOf(id: string): HTMLElement | null;
  /** Whether a call runs, or a question about one waits. */
  readonly isActive: boolean;
  /** Ask again about calls that were allowed for the whole chat. */
  forgetAllowed(): void;
  /** Call `listener` when the state of a call or what is asked has changed. */
  onChange(listener: () => void): () => void;
}
