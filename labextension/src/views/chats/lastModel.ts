/** The model that the user has chosen last for a chat, on this server and in this browser. */

import type { DefaultModel } from '../chat/host.js';
import type { PageStorage } from './pageState.js';

export class LastModel implements DefaultModel {
  private readonly key: string;
  private name = '';

  /** `server` is the address of the server, because several can share a storage. */
  constructor(
    private readonly storage: PageStorage,
    server: string
  ) {
    this.key = `a3s-power-model ${server}`;
  }

  get(): string {
    try {
      return this.storage.getItem(this.key) ?? this.name;
    } catch {
      return this.name; // the browser has no storage
    }
  }

  set(name: string): void {
    this.name = name;
    try {
      this.storage.setItem(this.key, name);
    } catch {
      // It is remembered while the page is open.
    }
  }
}
