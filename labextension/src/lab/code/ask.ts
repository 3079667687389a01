/** Ask a model, and stream its answer as text. */

import type { Transport } from '../../api/transport.js';
import { withoutThoughts } from './answerCode.js';
import type { ChatMessage } from './prompts.js';

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: unknown;
      readonly reasoning?: unknown;
    };
    readonly finish_reason?: string | null;
  }[];
}

export interface ModelAnswer {
  /** The text without thoughts. */
  readonly text: string;
  /** `length` says that the answer was cut off at the limit of its length. */
  readonly ended: 'stop' | 'length' | 'stopped';
}

/** Learns about an answer while it comes. */
export interface AnswerListener {
  /** Receives the text so far; '' while the model thinks. */
  onText(text: string, isThinking: boolean): void;
  /** Receives what was left out of the question, as a sentence; '' if nothing was. */
  onCut(cut: string): void;
}

/** Stream an answer. After `signal` is aborted, resolves with what has come. */
export async function ask(
  transport: Transport,
  model: string,
  messages: readonly ChatMessage[],
  listener: AnswerListener,
  signal: AbortSignal
): Promise<ModelAnswer> {
  let text = '';
  let ended: ModelAnswer['ended'] = 'stop';
  try {
    const request = { model, messages, stream: true };
    for await (const event of transport.stream('chat/completions', request, signal)) {
      const choice = (event as Chunk).choices?.[0];
      const content = choice?.delta?.content;
      text += typeof content === 'string' ? content : '';
      const isThought = Boolean(choice?.delta?.reasoning_content ?? choice?.delta?.reasoning);
      const visible = withoutThoughts(text);
      if (content || isThought) {
        listener.onText(visible, visible.trim() === '' && (isThought || text.trim() !== ''));
      }
      if (choice?.finish_reason === 'length') {
        ended = 'length';
      }
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
  return { text: withoutThoughts(text), ended: signal.aborted ? 'stopped' : ended };
}
