/**
 * What the server says of its models: the Model object as far as the status bar needs it, and the
 * events of `GET /v1/events`.
 */

export type ModelState = 'unloaded' | 'loading' | 'loaded' | 'busy' | 'unloading' | 'failed';

export interface Model {
  readonly id: string;
  readonly state: ModelState;
  readonly pinned: boolean;
  /** Bytes that the loaded model holds. */
  readonly memory_bytes?: number;
  readonly device?: string;
  /** Unix seconds at which an idle model is unloaded. */
  readonly expires_at?: number;
  /** 0 to 1, while loading. */
  readonly progress?: number;
}

export type PowerEvent =
  | { readonly type: 'snapshot'; readonly models: readonly Model[] }
  | { readonly type: 'model'; readonly model: Model }
  | { readonly type: 'model_deleted'; readonly id: string };

/** The models by id. */
export type Models = ReadonlyMap<string, Model>;

export const NO_MODELS: Models = new Map();

/** The models after an event. An event of a type we do not know changes nothing. */
export function reduce(models: Models, event: PowerEvent): Models {
  switch (event.type) {
    case 'snapshot':
      return new Map(event.models.map(model => [model.id, model]));
    case 'model':
      return new Map(models).set(event.model.id, event.model);
    case 'model_deleted': {
      const rest = new Map(models);
      rest.delete(event.id);
      return rest;
    }
    default:
      return models;
  }
}

/** The models that hold memory, sorted by id. */
export function loadedModels(models: Models): Model[] {
  const holding: readonly ModelState[] = ['loaded', 'busy', 'unloading'];
  return sorted(models).filter(model => holding.includes(model.state));
}

/** The models on their way into memory, sorted by id. */
export function loadingModels(models: Models): Model[] {
  return sorted(models).filter(model => model.state === 'loading');
}

function sorted(models: Models): Model[] {
  return [...models.values()].sort((a, b) => a.id.localeCompare(b.id));
}
