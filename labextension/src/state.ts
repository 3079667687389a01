/**
 * What the server says of its models and pulls, as far as it is shown, and how each event of
 * `GET /v1/events` changes it.
 */

export type ModelState = 'unloaded' | 'loading' | 'loaded' | 'busy' | 'unloading' | 'failed';

export interface Model {
  readonly id: string;
  readonly state: ModelState;
  readonly pinned: boolean;
  readonly format?: string;
  readonly size_bytes?: number;
  readonly parameters?: { readonly parameter_count?: number; readonly quantization?: string };
  readonly capabilities?: readonly string[];
  /** Tokens that the model was trained for, and those it is loaded with. */
  readonly context_length?: number;
  readonly num_ctx?: number;
  /** Bytes that the loaded model holds. */
  readonly memory_bytes?: number;
  readonly device?: string;
  /** Unix seconds at which an idle model is unloaded, and at which it answered last. */
  readonly expires_at?: number;
  readonly last_used_at?: number;
  readonly phase?: 'converting' | 'loading';
  /** 0 to 1, while loading. */
  readonly progress?: number;
  readonly notes?: readonly string[];
  readonly error?: Failure;
}

/** Sizes are bytes, times seconds. */
export interface Pull {
  readonly name: string;
  readonly status: 'pulling' | 'done' | 'failed' | 'paused' | 'cancelled';
  readonly phase?: 'waiting' | 'resolving' | 'downloading' | 'verifying';
  readonly completed?: number;
  readonly total?: number;
  readonly bytes_per_second?: number;
  readonly eta_seconds?: number;
  readonly note?: string;
  readonly error?: Failure;
  /** There where they are more than one. */
  readonly files?: readonly PulledFile[];
}

export interface PulledFile {
  readonly name: string;
  readonly size: number;
  readonly completed: number;
}

export interface Failure {
  readonly code?: string;
  readonly message: string;
}

export type PowerEvent =
  | {
      readonly type: 'snapshot';
      /** Tells one run of a server from another. */
      readonly instance?: string;
      readonly models: readonly Model[];
      readonly pulls?: readonly Pull[];
    }
  | { readonly type: 'model'; readonly model: Model }
  | { readonly type: 'model_deleted'; readonly id: string }
  | { readonly type: 'pull'; readonly pull: Pull }
  | { readonly type: 'pull_deleted'; readonly name: string };

/** The models by id. */
export type Models = ReadonlyMap<string, Model>;

/** The pulls by name. */
export type Pulls = ReadonlyMap<string, Pull>;

export interface State {
  /** Which run of which server this is of; null before its first word. */
  readonly instance: string | null;
  readonly models: Models;
  readonly pulls: Pulls;
}

export const NOTHING: State = { instance: null, models: new Map(), pulls: new Map() };

/** The state after an event. An event of a type we do not know changes nothing. */
export function reduce(state: State, event: PowerEvent): State {
  switch (event.type) {
    case 'snapshot':
      return {
        instance: event.instance ?? null,
        models: new Map(event.models.map(model => [model.id, model])),
        pulls: new Map((event.pulls ?? []).map(pull => [pull.name, pull]))
      };
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

const HOLDING: readonly ModelState[] = ['loaded', 'busy', 'unloading'];

/** Whether a model holds memory. */
export function holdsMemory(model: Model): boolean {
  return HOLDING.includes(model.state);
}

/** The models that hold memory, sorted by id. */
export function loadedModels(models: Models): Model[] {
  return sorted(models).filter(holdsMemory);
}

/** The models on their way into memory, sorted by id. */
export function loadingModels(models: Models): Model[] {
  return sorted(models).filter(model => model.state === 'loading');
}

/** Pulls that are not over: under way, paused, or failed; sorted by name. */
export function openPulls(pulls: Pulls): Pull[] {
  return [...pulls.values()]
    .filter(pull => ['pulling', 'paused', 'failed'].includes(pull.status))
    .sort((a, b) => a.name.localeCompare(b.name));
}

function sorted(models: Models): Model[] {
  return [...models.values()].sort((a, b) => a.id.localeCompare(b.id));
}
