/** Ask for completions: one request at a time, ended by each key that does not follow its text. */

import { type Around, type Progress, shape } from './trim.js';
import type { Part } from './request.js';

/** A cursor in a text. */
export interface Place extends Around {
  /** What else a completion depends on: the editor and the model. */
  readonly key: string;
}

export interface Suggestion {
  readonly text: string;
  /** The text as it grows; null if it is complete. */
  readonly updates: AsyncGenerator<string, void> | null;
}

export type Activity = 'idle' | 'waiting' | 'generating';

export interface Environment<P extends Place> {
  /** Generate the text at a place. */
  ask(place: P, signal: AbortSignal): AsyncGenerator<Part, void>;
  /** Return the code in what was generated so far; null if that is not known yet. */
  codeOf(raw: string, place: P): string | null;
  sleep(milliseconds: number): Promise<void>;
  onActivity(activity: Activity): void;
  onError(error: unknown): void;
}

/** Texts that are remembered. */
const REMEMBERED = 50;
/** What editors add behind the cursor when somebody types an opening bracket or a quote. */
const CLOSERS = /^[)\]}'"]+$/;

/** A text that is being generated, or was. */
class Generation<P extends Place> {
  readonly stopped = new AbortController();
  raw = '';
  text = '';
  isDone = false;
  private wake: (() => void)[] = [];

  constructor(readonly place: P) {}

  /** Resolve when the text has changed or is complete. */
  next(): Promise<void> {
    return new Promise(resolve => this.wake.push(resolve));
  }

  changed(): void {
    const waiting = this.wake;
    this.wake = [];
    waiting.forEach(resolve => resolve());
  }

  /** Return what is still to be typed at `place`, or null if it is not on the way of this text. */
  restAt(place: Place): string | null {
    const { before, after, key } = this.place;
    const whole = before + this.text;
    if (key !== place.key || !place.before.startsWith(before) || !whole.startsWith(place.before)) {
      return null;
    }
    const rest = whole.slice(place.before.length);
    if (rest === '' && this.isDone && place.before !== before) {
      return null; // all of it was typed
    }
    if (place.after === after) {
      return rest;
    }
    const added = place.after.endsWith(after)
      ? place.after.slice(0, -after.length || undefined)
      : '';
    if (!CLOSERS.test(added) || rest.includes('\n')) {
      return null;
    }
    return rest.endsWith(added) ? rest.slice(0, -added.length) : this.isDone ? null : rest;
  }
}

export class Completer<P extends Place> {
  private calls = 0;
  private running: Generation<P> | null = null;
  /** The newest first; the running one, too. */
  private generations: Generation<P>[] = [];

  constructor(private readonly environment: Environment<P>) {}

  /**
   * Resolve with a completion, or null without one or once another is asked for.
   *
   * Waits `delay` milliseconds before a request, but not for what is known already.
   */
  async suggest(place: P, delay: number): Promise<Suggestion | null> {
    this.follow(place);
    this.calls += 1;
    const call = this.calls;
    const known = this.generations.find(generation => generation.restAt(place) !== null);
    if (known !== undefined) {
      return this.first(known, place, call);
    }
    await this.environment.sleep(delay);
    return call === this.calls ? this.first(this.start(place), place, call) : null;
  }

  /** End the running request if its text does not lead through `place`. */
  follow(place: Place): void {
    if (this.running !== null && this.running.restAt(place) === null) {
      this.stop();
    }
  }

  /** End the running request, and do not begin one that waits. */
  cancel(): void {
    this.stop();
    this.calls += 1;
  }

  /** Forget all texts. */
  clear(): void {
    this.cancel();
    this.generations = [];
  }

  private stop(): void {
    const generation = this.running;
    if (generation !== null) {
      this.calls += 1; // nobody wants its text any more
      this.running = null;
      this.generations = this.generations.filter(other => other !== generation);
      generation.stopped.abort();
      this.environment.onActivity('idle');
    }
  }

  private start(place: P): Generation<P> {
    const generation = new Generation(place);
    this.running = generation;
    this.generations = [generation, ...this.generations].slice(0, REMEMBERED);
    this.environment.onActivity('waiting');
    void this.generate(generation);
    return generation;
  }

  private async generate(generation: Generation<P>): Promise<void> {
    const { stopped, place } = generation;
    try {
      let progress: Progress = 'complete';
      for await (const part of this.environment.ask(place, stopped.signal)) {
        stopped.signal.throwIfAborted();
        generation.raw += part.text;
        progress = part.isCut ? 'cut' : progress;
        if (part.text !== '') {
          this.environment.onActivity('generating');
        }
        if (this.update(generation, 'running')) {
          break;
        }
      }
      this.update(generation, progress);
    } catch (error) {
      this.generations = this.generations.filter(other => other !== generation);
      if (!stopped.signal.aborted) {
        this.environment.onError(error);
      }
    }
    generation.isDone = true;
    stopped.abort();
    if (this.running === generation) {
      this.running = null;
      this.environment.onActivity('idle');
    }
    generation.changed();
  }

  /** Set the text of a generation; return whether nothing more is wanted. */
  private update(generation: Generation<P>, progress: Progress): boolean {
    const code = this.environment.codeOf(generation.raw, generation.place);
    if (code === null && progress === 'running') {
      return false;
    }
    const { text, ended } = shape(code ?? '', generation.place, progress);
    if (text !== generation.text) {
      generation.text = text;
      generation.changed();
    }
    return ended;
  }

  /** Resolve with the first text of a generation that is not yet typed. */
  private async first(
    generation: Generation<P>,
    place: P,
    call: number
  ): Promise<Suggestion | null> {
    while (call === this.calls) {
      const text = generation.restAt(place);
      if (text === null) {
        return null;
      }
      if (text !== '') {
        const updates = generation.isDone ? null : this.updates(generation, place, call);
        return { text, updates };
      }
      if (generation.isDone) {
        return null;
      }
      await generation.next();
    }
    return null;
  }

  private async *updates(
    generation: Generation<P>,
    place: P,
    call: number
  ): AsyncGenerator<string, void> {
    while (!generation.isDone) {
      await generation.next();
      const text = generation.restAt(place);
      if (call !== this.calls || text === null) {
        return;
      }
      yield text;
    }
  }
}
