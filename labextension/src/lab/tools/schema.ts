/** Build tools of a chat. */

import type { Arguments, ChatTool, PreparedCall, ValueSchema } from '../../views/chat/tools.js';

interface Description {
  readonly description: string;
  readonly isReadOnly: boolean;
  readonly properties: Readonly<Record<string, ValueSchema>>;
  readonly required?: readonly string[];
  /** Find out what a call would do, with arguments that match the schema. */
  readonly prepare: (parameters: Arguments) => Promise<PreparedCall> | PreparedCall;
}

export function tool(name: string, described: Description): ChatTool {
  const { description, isReadOnly, properties, required = [], prepare } = described;
  return {
    name,
    isReadOnly,
    definition: {
      type: 'function',
      function: {
        name,
        description,
        parameters: { type: 'object', properties, required, additionalProperties: false }
      }
    },
    prepare: async parameters => Promise.resolve(prepare(parameters))
  };
}

/** Return an argument that is a string; undefined if it is missing. */
export function text(parameters: Arguments, name: string): string | undefined {
  const value = parameters[name];
  return typeof value === 'string' ? value : undefined;
}

/** Return an argument that is a whole number, at least `least`. */
export function count(parameters: Arguments, name: string, missing: number, least: number): number {
  const value = parameters[name];
  return Math.max(least, typeof value === 'number' ? value : missing);
}
