/** Functions that a model may call in a chat, each call only after the user has allowed it. */

export interface ChatTool {
  readonly name: string;
  /** What it does and takes, in the format of OpenAI's `tools`. */
  readonly definition: object;
  /** Whether it changes nothing and runs nothing. */
  readonly isReadOnly: boolean;
  /** Return one line that says what a call would do, for the question whether it may. */
  describe(parameters: Readonly<Record<string, unknown>>): string;
  /** Return the result for the model. Rejects with a reason that the model gets. */
  run(parameters: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<string>;
}
