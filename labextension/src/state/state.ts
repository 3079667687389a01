/** The models and pulls of a server, and how each event changes them. */

import type { Memory, Model, ModelState, PowerEvent, Pull } from '../api/types.js';

/** Models by id. */
export type Models = ReadonlyMap<string, Model>;

/** Pulls by name. */
export type Pulls = ReadonlyMap<string, Pull>;

export interface State {
  /** Random id of the server process; null before the first snapshot. */
  readonly instance: string | null;
  readonly models: Models;
  readonly pulls: Pulls;
  /** The memory of the server's machine; null if the server does not tell. */
  readonly memory: Memory | null;
}

export const EMPTY: State = {
  instance: null,
  models: new Map(),
  pulls: new Map(),
  memory: null
};

/** Return the state after an event. Unknown event types, from newer servers, are ignored. */
export function reduce(state: State, event: PowerEvent): State {
  switch (event.type) {
    case 'snapshot':
      return {
        instance: event.instance ?? null,
        models: new Map(event.models.map(model => [model.id, model])),
        pulls: new Map((event.pulls ?? []).map(pull => [pull.name, pull])),
        memory: event.memory ?? null
      };
    case 'memory':
      return { ...state, memory: event.memory };
    case 'model':
      return { ...state, models: new Map(state.models).set(event.model.id, event.model) };
    case 'model_deleted':
      return { ...state, models: without(state.models, event.id) };
    case 'pull':
      return { ...state, pulls: new Map(state.pulls).set(event.pull.name, event.pull) };
    case 'pull_deleted':
      return { ...state, pulls: without(state.pulls, event.name) };
    default:
      return state;
  }
}

function without<T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}

const IN_MEMORY: readonly ModelState[] = ['loaded', 'busy', 'unloading'];

/** Whether a model uses memory. */
export function isInMemory(model: Model): boolean {
  return IN_MEMORY.includes(model.state);
}

/** Whether a model uses memory or is being loaded. */
export function isActive(model: Model): boolean {
  return isInMemory(model) || model.state === 'loading';
}

/** Return the models that use memory, sorted by id. */
export function loadedModels(models: Models): Model[] {
  return sorted(models).filter(isInMemory);
}

/** Return the models being loaded, sorted by id. */
export function loadingModels(models: Models): Model[] {
  return sorted(models).filter(model => model.state === 'loading');
}

function sorted(models: Models): Model[] {
  return [...models.values()].sort((a, b) => a.id.localeCompare(b.id));
}
