/** The JSON objects of the REST API, with the fields that the views use. */

export type ModelState = 'unloaded' | 'loading' | 'loaded' | 'busy' | 'unloading' | 'failed';

/** Sizes are in bytes, times in Unix seconds. */
export interface Model {
  readonly id: string;
  readonly state: ModelState;
  readonly pinned: boolean;
  readonly format?: string;
  readonly size_bytes?: number;
  readonly parameters?: { readonly parameter_count?: number; readonly quantization?: string };
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

/** Sizes are in bytes, durations in seconds. */
export interface Pull {
  readonly name: string;
  readonly status: 'pulling' | 'done' | 'failed' | 'paused' | 'cancelled';
  readonly phase?: 'waiting' | 'resolving' | 'downloading' | 'verifying';
  readonly completed?: number;
  readonly total?: number;
  readonly bytes_per_second?: number;
  readonly eta_seconds?: number;
  readonly note?: string;
  readonly error?: ErrorDetail;
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
  readonly message: string;
}

/** An event of `GET /v1/events`. */
export type PowerEvent =
  | {
      readonly type: 'snapshot';
      /** Random id of the server process. */
      readonly instance?: string;
      readonly models: readonly Model[];
      readonly pulls?: readonly Pull[];
    }
  | { readonly type: 'model'; readonly model: Model }
  | { readonly type: 'model_deleted'; readonly id: string }
  | { readonly type: 'pull'; readonly pull: Pull }
  | { readonly type: 'pull_deleted'; readonly name: string };
