/** Functions that are called after each change, and an action when there are none any more. */

export class Listeners {
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `onEmpty` is called when there was no listener for `linger` milliseconds after the last one. */
  constructor(
    private readonly linger: number,
    private readonly onEmpty: () => void
  ) {}

  /** Add a listener, and return the function that removes it. */
  add(listener: () => void): () => void {
    clearTimeout(this.timer);
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.timer = setTimeout(this.onEmpty, this.linger);
      }
    };
  }

  notify(): void {
    for (const listener of this.listeners) {
      listener();
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}
