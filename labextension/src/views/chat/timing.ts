/** How long pages wait for each other, and for a view. */

export interface Timing {
  /** Milliseconds between two saves of an answer that is generated. */
  readonly saveInterval: number;
  /** Milliseconds without a save after which another page does not generate any more. */
  readonly silence: number;
  /** Milliseconds for which an answer goes on without a view: JupyterLab may make a new one. */
  readonly linger: number;
}

export const DEFAULT_TIMING: Timing = { saveInterval: 1_000, silence: 5_000, linger: 2_000 };
