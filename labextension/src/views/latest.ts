/** Requests of which only the newest matters. */

/** Sends a request. It is aborted by `signal` once a newer one is scheduled. */
export type Task = (signal: AbortSignal) => Promise<void>;

/** Runs the newest of the tasks that it is given, and aborts those before it. */
export class Latest {
  private controller: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Run `task` after `delay` milliseconds, unless a newer one comes. It must not reject. */
  schedule(task: Task, delay = 0): void {
    this.cancel();
    const controller = new AbortController();
    this.controller = controller;
    const run = () => void task(controller.signal);
    if (delay > 0) {
      this.timer = setTimeout(run, delay);
    } else {
      run();
    }
  }

  /** Abort what runs, and forget what waits. */
  cancel(): void {
    clearTimeout(this.timer);
    this.controller?.abort();
    this.controller = null;
  }
}
