/** The JSON objects of the REST API, with the fields that the views use. */

export type ModelState = 'unloaded' | 'loading' | 'loaded' | 'busy' | 'unloading' | 'failed';

/** Values of parameters by name. */
export type Parameters = Readonly<Record<string, unknown>>;

/** Sizes are in bytes, times in Unix seconds. */
export interface Model {
  readonly id: string;
  readonly state: ModelState;
  readonly pinned: boolean;
  readonly format?: string;
  readonly size_bytes?: number;
  readonly parameters?: {
    readonly family?: string;
    readonly parameter_count?: number;
    readonly quantization?: string;
    readonly embedding_length?: number;
  };
  /** Defaults of loads and requests that the user has set. */
  readonly default_parameters?: Parameters;
  /** Defaults of requests in the model's files. */
  readonly generation_defaults?: Parameters;
  readonly source?: {
    readonly path?: string;
    readonly reference?: string;
    readonly revision?: string;
    readonly shared_home?: string;
  };
  readonly upstream?: { readonly base_url: string | readonly string[]; readonly model: string };
  /** The servers behind a remote model, if there are several. */
  readonly upstreams?: readonly UpstreamStatus[];
  readonly sha256?: string;
  readonly engine?: string;
  readonly gpu_memory_bytes?: number;
  /** Sizes that the engine reports. */
  readonly memory?: { readonly weights: number; readonly cache: number; readonly buffers: number };
  /** The chat template, in the reply to a request for it. */
  readonly template?: string;
  readonly capabilities?: readonly string[];
  /** Context window the model was trained with, in tokens. */
  readonly context_length?: number;
  /** Context window the model is loaded with, in tokens. */
  readonly num_ctx?: number;
  /** Memory used while loaded. */
  readonly memory_bytes?: number;
  readonly device?: string;
  readonly requests_running?: number;
  readonly requests_waiting?: number;
  /** Speed of the last seconds, while the model is busy. */
  readonly tokens_per_second?: number;
  /** Tokens in the KV cache, including those of conversations that may continue. */
  readonly cache_tokens?: number;
  readonly cache_capacity?: number;
  /** Memory of the conversations that were moved out of the KV cache. */
  readonly prompt_cache_bytes?: number;
  /** When the model will be unloaded if it stays idle. */
  readonly expires_at?: number;
  readonly last_used_at?: number;
  readonly phase?: 'converting' | 'loading';
  /** Loading progress from 0 to 1. */
  readonly progress?: number;
  readonly notes?: readonly string[];
  readonly error?: ErrorDetail;
}

/** One of several servers behind a remote model. */
export interface UpstreamStatus {
  readonly base_url: string;
  readonly state: 'unknown' | 'available' | 'busy' | 'failed';
  readonly requests_running: number;
  /** Requests that it did not answer. */
  readonly failures: number;
  readonly error?: ErrorDetail;
}

/** Sizes are in bytes, durations in seconds. */
export interface Pull {
  readonly name: string;
  readonly status: 'pulling' | 'done' | 'failed' | 'paused' | 'cancelled';
  readonly started_at?: number;
  readonly finished_at?: number;
  readonly phase?: 'waiting' | 'resolving' | 'downloading' | 'verifying';
  readonly completed?: number;
  readonly total?: number;
  readonly bytes_per_second?: number;
  readonly eta_seconds?: number;
  readonly note?: string;
  readonly error?: ErrorDetail;
  /** Whether the model was there, in the reply to a request to pull it. */
  readonly already_exists?: boolean;
  /** Present only for pulls of several files. */
  readonly files?: readonly PulledFile[];
}

export interface PulledFile {
  readonly name: string;
  readonly size: number;
  readonly completed: number;
}

export interface ErrorDetail {
  readonly code?: string;
  /** Category, as in the OpenAI API. */
  readonly type?: string;
  /** The field of the request that caused the error. */
  readonly param?: string;
  readonly message: string;
  /** Which of the causes of its code the error has: "offline", "gated", "not_found", ... */
  readonly reason?: string;
  /** Seconds after which the request may succeed. */
  readonly retry_after?: number;
  /** References of models that can be requested instead. */
  readonly candidates?: readonly string[];
}

/** How a model would run on this machine: on a GPU, in memory, or not at all. */
export type Fit = 'gpu' | 'memory' | 'too_large' | 'unknown';

/** A model of the hub. */
export interface HubModel {
  /** Repository: "owner/name". */
  readonly id: string;
  readonly formats: readonly string[];
  readonly task?: string;
  readonly downloads: number;
  readonly likes: number;
  readonly license?: string;
  /** Whether its files need a token of somebody who accepted its terms, and who grants access. */
  readonly gated: false | 'auto' | 'manual';
  readonly updated_at?: number;
  readonly parameter_count?: number;
  readonly installed: boolean;
}

/** A reply of `GET /v1/hub/search`. */
export interface HubPage {
  readonly data: readonly HubModel[];
  /** Cursor of the next page. */
  readonly next: string | null;
}

/** A set of files in a repository that is one model. */
export interface Variant {
  /** What to pull: "owner/name:Q4_K_M". */
  readonly reference: string;
  /** Its quantization, for instance. */
  readonly label: string;
  readonly format: string;
  readonly size_bytes: number;
  readonly file_count: number;
  /** Memory that it would use with `num_ctx` tokens: weights, cache and buffers. */
  readonly memory_bytes?: number;
  readonly fit: Fit;
  readonly recommended: boolean;
  /** Name under which it is installed. */
  readonly installed?: string | null;
}

/** A reply of `GET /v1/hub/models/{owner/name}`. */
export interface HubRepository extends HubModel {
  readonly num_ctx: number;
  /** Why the memory of some variants is unknown, or how to get access. */
  readonly note?: string;
  readonly variants: readonly Variant[];
}

/** A model of the curated list, `GET /v1/hub/recommended`. */
export interface RecommendedModel {
  readonly title: string;
  readonly reference: string;
  readonly good_for: string;
  readonly license: string;
  /** What the machine should have, as a phrase. */
  readonly needs?: string;
  /** Whether it is the one for a first try. */
  readonly default: boolean;
  readonly capabilities: readonly string[];
  readonly parameter_count?: number;
  readonly variants: readonly Variant[];
}

/** A reply of `GET /v1/hub/token`. */
export interface TokenState {
  readonly present: boolean;
  readonly source: 'environment' | 'file' | null;
  /** Name of the user, if the hub was asked. */
  readonly user?: string;
}

/** A model in a folder of another program, from `GET /v1/local-models`. */
export interface LocalModel {
  readonly path: string;
  /** Proposed name. */
  readonly name: string;
  readonly format: string;
  readonly size_bytes: number;
  readonly source: string;
  /** Name under which it is installed. */
  readonly installed?: string | null;
  /** Path of the projector for images, to register with it. */
  readonly mmproj?: string;
  /** What a registration does not take over. */
  readonly notes?: readonly string[];
}

/** Models in the folders of other programs. */
export interface LocalModels {
  readonly data: readonly LocalModel[];
  /** Folders in which models may be missing from the list. */
  readonly problems: readonly { readonly path: string; readonly reason: string }[];
}

/** The memory of the machine, or of a GPU, in bytes. */
export interface DeviceMemory {
  readonly name: string;
  readonly kind: 'ram' | 'gpu';
  /** Product name of a GPU. */
  readonly description?: string;
  readonly total: number;
  readonly free: number;
  /** What other programs use. */
  readonly other: number;
  /** What each model uses. */
  readonly models: Readonly<Record<string, number>>;
}

/** The RAM, then the GPUs. */
export interface Memory {
  readonly devices: readonly DeviceMemory[];
  /** What all models together may use of the RAM, if that is limited. */
  readonly limit?: number;
}

/** A reply of `POST /v1/models/{name}/estimate`. Sizes are in bytes. */
export interface Estimate {
  readonly id: string;
  readonly num_ctx: number;
  readonly weights: number;
  readonly cache: number;
  readonly buffers: number;
  readonly other: number;
  readonly total: number;
  /** The part of the total on GPUs. */
  readonly gpu: number;
  readonly free: number;
  readonly fits: boolean;
  /** Idle models that would be unloaded. */
  readonly evicts: readonly string[];
  /** Whether a load would wait until models in use become idle. */
  readonly waits: boolean;
  readonly largest_num_ctx?: number;
  /** Layers that would be put on the GPUs; -1 for all. */
  readonly gpu_layers?: number;
}

/** A chat of the assistant, without its messages. */
export interface ChatSummary {
  readonly id: string;
  /** The first question until the chat is renamed; '' without one. */
  readonly title: string;
  readonly model: string;
  /** Unix seconds. */
  readonly created_at: number;
  readonly updated_at: number;
  /** Grows with each change. */
  readonly revision: number;
  readonly message_count: number;
  /** Text around a word that was searched for. */
  readonly excerpt?: string;
}

/** An event of `GET /v1/events`. */
export type PowerEvent =
  | {
      readonly type: 'snapshot';
      /** Random id of the server process. */
      readonly instance?: string;
      readonly models: readonly Model[];
      readonly pulls?: readonly Pull[];
      readonly memory?: Memory;
    }
  | { readonly type: 'memory'; readonly memory: Memory }
  | { readonly type: 'model'; readonly model: Model }
  | { readonly type: 'model_deleted'; readonly id: string }
  | { readonly type: 'pull'; readonly pull: Pull }
  | { readonly type: 'pull_deleted'; readonly name: string }
  | { readonly type: 'chat'; readonly chat: ChatSummary }
  | { readonly type: 'chat_deleted'; readonly id: string }
  | { readonly type: 'presets' };
