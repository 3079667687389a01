/** What the parts of the view to add models share. */

import type { Transport } from '../../api/transport.js';
import type { PanelHost } from '../host.js';

export interface FindTools {
  readonly transport: Transport;
  readonly host: PanelHost;
  /** Open the field for the hub's token. `goOn` is called once a token is stored there. */
  askForToken(goOn?: () => void): void;
  /** Search the hub for `words` in repositories of a format: "gguf", "safetensors" or "all". */
  searchFor(words: string, format: string): void;
}

/** Context windows to choose from, in tokens. */
export const CONTEXTS = [2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072] as const;

/** The context window that memory is computed for at first, in tokens: that of a load. */
export const DEFAULT_CONTEXT = 8192;
