/** Presets as the server keeps them. */

import type { Transport } from '../../api/transport.js';
import type { PowerEvent } from '../../api/types.js';
import { parametersFrom } from '../chat/chatCompletion.js';
import type { Preset, Presets } from '../chat/presets.js';

interface Reply {
  readonly data: readonly { readonly name: string; readonly parameters: unknown }[];
}

export function presetPath(name: string): string {
  return `assistant/presets/${encodeURIComponent(name)}`;
}

export class ServerPresets implements Presets {
  private readonly listeners = new Set<() => void>();
  readonly manage?: () => void;
  private presets: readonly Preset[] = [];

  constructor(
    private readonly transport: Transport,
    /** Open the editor. */
    manage?: () => void
  ) {
    if (manage !== undefined) {
      this.manage = manage;
    }
  }

  list(): readonly Preset[] {
    return this.presets;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Read the presets. Rejects with the reason if they cannot be read. */
  async load(): Promise<void> {
    const { data } = (await this.transport.request('GET', 'assistant/presets')) as Reply;
    this.presets = data.map(({ name, parameters }) => ({
      name,
      parameters: parametersFrom(parameters)
    }));
    this.listeners.forEach(listener => listener());
  }

  receive({ type }: PowerEvent): void {
    if (type === 'presets' || type === 'snapshot') {
      this.load().catch(() => undefined); // the editor says why, and the next event tries again
    }
  }

  async save({ name, parameters }: Preset): Promise<void> {
    await this.transport.request('PUT', presetPath(name), { parameters });
    await this.load();
  }

  /** Save a preset under another name, then delete it under the old one. */
  async rename(preset: Preset, name: string): Promise<void> {
    if (name === preset.name) {
      return;
    }
    if (this.presets.some(each => each.name === name)) {
      throw new Error(`There is a preset ${name} already. Choose another name.`);
    }
    await this.transport.request('PUT', presetPath(name), { parameters: preset.parameters });
    await this.delete(preset.name);
  }

  async delete(name: string): Promise<void> {
    await this.transport.request('DELETE', presetPath(name));
    await this.load();
  }
}
