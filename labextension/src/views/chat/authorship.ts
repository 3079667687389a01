/** Which page generates the answer of a conversation that several pages show. */

import type { ShownAnswer } from './answering.js';
import type { PartialAnswer } from './conversation.js';

export class Authorship {
  private beat = 0;
  private isOthers = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `onSilence` is called when another page has not saved its answer for `silence` milliseconds. */
  constructor(
    private readonly page: string,
    private readonly silence: number,
    private readonly onSilence: () => void
  ) {}

  /** Whether another page generates the answer. */
  get isElsewhere(): boolean {
    return this.isOthers;
  }

  /** Whether an answer is one of this page. */
  isOwn(answer: PartialAnswer | null): boolean {
    return answer?.page === this.page;
  }

  /** Return an answer of this page as it is saved. */
  sign({ content, thoughts }: ShownAnswer): PartialAnswer {
    this.beat += 1;
    return {
      content,
      ...(thoughts !== '' && { reasoning_content: thoughts }),
      page: this.page,
      beat: this.beat
    };
  }

  /** Take note of an answer that was saved, maybe by another page. */
  watch(answer: PartialAnswer | null): void {
    clearTimeout(this.timer);
    this.isOthers = answer !== null && answer.page !== '' && !this.isOwn(answer);
    if (this.isOthers) {
      this.timer = setTimeout(() => {
        this.isOthers = false;
        this.onSilence();
      }, this.silence);
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}
