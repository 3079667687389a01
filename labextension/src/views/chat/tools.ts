/** Functions that a model may call in a chat, each call only after the user has allowed it. */

/** Arguments of a call, which match the schema of its tool. */
export type Arguments = Readonly<Record<string, unknown>>;

export interface ChatTool {
  readonly name: string;
  /** What it does and takes, in the format of OpenAI's `tools`. */
  readonly definition: ToolDefinition;
  /** Whether it changes nothing and runs nothing. */
  readonly isReadOnly: boolean;
  /**
   * Find out what a call would do, and do nothing yet.
   *
   * What it is about is fixed here: a notebook that comes to the front later does not matter.
   * Rejects with a reason that the model gets.
   */
  prepare(parameters: Arguments): Promise<PreparedCall>;
}

/** A call that is ready to run when the user allows it. */
export interface PreparedCall {
  /** One line that says what it would do. */
  readonly summary: string;
  /** What "allow for this chat" is limited to, such as a notebook; '' if there is nothing. */
  readonly scope: string;
  /** Code that would be run or added, or the new text of what is edited. */
  readonly code?: string;
  /** What a person could overlook. Such a call is always asked about. */
  readonly warning?: string;
  /** The text that `code` replaces. */
  readonly replaced?: string;
  /** Return the result for the model. Rejects with a reason that the model gets. */
  run(signal: AbortSignal): Promise<string>;
  /** Interrupt what is running, when the user says so. */
  interrupt?(): Promise<void>;
}

export interface ToolDefinition {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description: string;
    readonly parameters: ArgumentsSchema;
  };
}

/** The part of JSON schema that tools use. */
export interface ArgumentsSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, ValueSchema>>;
  readonly required: readonly string[];
  readonly additionalProperties: false;
}

export interface ValueSchema {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly enum?: readonly string[];
}
