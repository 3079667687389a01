/** Read and check the arguments that a model writes for a call. */

import type { Arguments, ArgumentsSchema, ValueSchema } from './tools.js';

/** Most characters of the arguments of a call. More could not be checked by a person. */
export const MAX_ARGUMENTS = 20_000;

/** Return the arguments of a call. Throws an error with a reason for the model. */
export function readArguments(json: string, schema: ArgumentsSchema): Arguments {
  if (json.length > MAX_ARGUMENTS) {
    throw new Error(`The arguments have more than ${MAX_ARGUMENTS} characters. Divide the call.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(json === '' ? '{}' : json);
  } catch {
    throw new Error('The arguments are not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('The arguments are not a JSON object.');
  }
  const problems = problemsOf(value as Arguments, schema);
  if (problems.length > 0) {
    throw new Error(`Invalid arguments: ${problems.join('; ')}.`);
  }
  return value as Arguments;
}

function problemsOf(value: Arguments, { properties, required }: ArgumentsSchema): string[] {
  const missing = required
    .filter(name => !Object.hasOwn(value, name))
    .map(name => `${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, argument]) => {
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (schema === undefined) {
      return [`there is no argument ${JSON.stringify(name.slice(0, 40))}`];
    }
    const problem = problemOf(argument, schema);
    return problem === '' ? [] : [`${name} ${problem}`];
  });
  return [...missing, ...wrong];
}

function problemOf(value: unknown, { type, enum: values }: ValueSchema): string {
  const isOfType = type === 'integer' ? Number.isSafeInteger(value) : typeof value === type;
  if (!isOfType) {
    return `is not of type ${type}`;
  }
  return values === undefined || values.includes(value as string)
    ? ''
    : `is not one of ${values.join(', ')}`;
}
