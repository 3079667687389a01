/** Shows how much of the context a conversation and the draft use, counted by the server. */

import type { Transport } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { h, setText } from '../dom.js';
import { formatPercent } from '../format.js';
import { trans } from '../i18n.js';
import type { Conversation } from './conversation.js';
import { chatRequest, type Message } from './chatCompletion.js';
import {
  contextLimit,
  type ContextUse,
  countedTokens,
  estimateMessages,
  estimateTokens,
  fullness,
  fullnessText,
  isCountable,
  useText
} from './contextUse.js';

/** Milliseconds without a change after which the draft is counted. */
const DELAY = 300;

/** The most characters of a prompt that is counted as often. Longer ones are estimated. */
const MAX_COUNTED = 4_000_000;

export class ContextMeter {
  private readonly text = h('span');
  private readonly bar = h('span', { class: 'a3s-context-used' });
  private readonly track = h('span', { class: 'a3s-context-bar', 'aria-hidden': 'true' }, this.bar);
  readonly element = h('div', { class: 'a3s-context' }, this.track, this.text);
  /** Said when the context is full or nearly so. */
  readonly warning = h('div', {
    class: 'a3s-context-warning',
    'aria-live': 'polite',
    hidden: true
  });
  private use: ContextUse = { tokens: 0, isCounted: false, limit: null };
  private counted: { readonly key: string; readonly tokens: number } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | null = null;

  constructor(private readonly transport: Transport) {}

  dispose(): void {
    clearTimeout(this.timer);
    this.request?.abort();
  }

  /** Tokens that are used, and whether they are counted. */
  get current(): ContextUse {
    return this.use;
  }

  get isFull(): boolean {
    return fullness(this.use) === 'full';
  }

  /** Show the use of a conversation with a question that is written; null if there is none. */
  update(
    { parameters, messages, model: name }: Conversation,
    draft: Message | null,
    model: Model | undefined
  ): void {
    const limit = contextLimit(model);
    const answered = draft === null ? countedTokens(messages) : null;
    if (answered !== null || (messages.length === 0 && draft === null)) {
      this.stop();
      this.show({ tokens: answered ?? 0, isCounted: true, limit });
      return;
    }
    const all = draft === null ? messages : [...messages, draft];
    const estimated = estimateMessages(all) + estimateTokens(parameters.system ?? '');
    if (!isCountable(model) || estimated * 4 > MAX_COUNTED) {
      this.stop();
      this.show({ tokens: estimated, isCounted: false, limit });
      return;
    }
    const body = chatRequest(model?.id ?? name, all, parameters, true);
    const key = JSON.stringify(body);
    if (this.counted?.key === key) {
      this.show({ tokens: this.counted.tokens, isCounted: true, limit });
      return;
    }
    this.show({ tokens: estimated, isCounted: false, limit });
    this.stop();
    this.timer = setTimeout(() => void this.count(body, key, limit), DELAY);
  }

  /** Show the tokens of an answer that grows, which come with it. */
  follow(tokens: number, model: Model | undefined): void {
    this.stop();
    this.show({ tokens, isCounted: true, limit: contextLimit(model) }, true);
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.request?.abort();
    this.request = null;
  }

  /** Count a prompt. An error leaves the estimate: the model may just have been unloaded. */
  private async count(body: object, key: string, limit: number | null): Promise<void> {
    const request = new AbortController();
    this.request = request;
    try {
      const path = 'chat/template';
      const reply = await this.transport.request('POST', path, body, request.signal);
      const { prompt_tokens: tokens } = reply as { readonly prompt_tokens: number };
      if (this.request === request) {
        this.counted = { key, tokens };
        this.show({ tokens, isCounted: true, limit });
      }
    } catch {
      // The prompt may be one that the model's template refuses, which its answer will say.
    }
  }

  /** `isGrowing` leaves the warning as it is unless the state changes, because it is read aloud. */
  private show(use: ContextUse, isGrowing = false): void {
    const before = fullness(this.use);
    this.use = use;
    const { tokens, limit, isCounted } = use;
    const state = fullness(use);
    setText(this.text, useText(use));
    const share = limit === null ? 0 : Math.min(1, tokens / limit);
    this.track.hidden = limit === null;
    this.bar.style.inlineSize = formatPercent(share);
    this.element.dataset['fullness'] = state;
    this.element.title = isCounted
      ? trans.__('Context: counted by the server.')
      : trans.__('Context: an estimate. Tokens are counted once the model is loaded here.');
    if (!isGrowing || state !== before) {
      setText(this.warning, fullnessText(use));
      this.warning.hidden = state === 'fits';
    }
  }
}
