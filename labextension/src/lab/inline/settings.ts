/** The settings of inline completion, defined in `schema/inline.json`. */

export interface InlineSettings {
  readonly enabled: boolean;
  /** Name of the model; '' for none. */
  readonly model: string;
  /** Milliseconds without a key before a request. */
  readonly debounce: number;
  readonly maxTokens: number;
  readonly multiLine: boolean;
  readonly languagesOff: readonly string[];
  /** Tokens of the prompt. */
  readonly contextTokens: number;
  /** How long the model stays in memory; '' for its own default. */
  readonly keepAlive: string;
}

/** Without a registry of settings. */
export const DEFAULTS: InlineSettings = {
  enabled: true,
  model: '',
  debounce: 150,
  maxTokens: 64,
  multiLine: true,
  languagesOff: ['markdown', 'text'],
  contextTokens: 1024,
  keepAlive: '30m'
};
