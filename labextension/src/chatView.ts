/** A small conversation with a model. */

import { ask, chatBody, formatSpeed, type Message, type Parameters } from './chat.js';
import { button, h, oncePerFrame, root, setText } from './dom.js';
import type { Live } from './live.js';
import { toHtml } from './markdown.js';
import type { Models } from './state.js';

/** What a view starts from, and what it tells: a page that is loaded again goes on from there. */
export interface Conversation {
  model: string;
  messages: readonly Message[];
}

export class ChatView {
  readonly element: HTMLElement;
  private readonly choice = h('select', { 'aria-label': 'Model' });
  private readonly log = h('div', { class: 'a3s-log', role: 'log', tabindex: '0' });
  private readonly input = h('textarea', {
    rows: '2',
    'aria-label': 'Message',
    placeholder: 'Ask'
  });
  private readonly status = h('span', { class: 'a3s-note', role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly send: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly temperature = h('input', { type: 'number', min: '0', max: '2', step: '0.1' });
  private readonly maxTokens = h('input', { type: 'number', min: '1', step: '1' });
  private readonly system = h('input', { type: 'text' });
  private messages: readonly Message[] = [];
  private answering: AbortController | null = null;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly live: Live,
    private readonly start: Conversation,
    private readonly changed: (conversation: Conversation) => void
  ) {
    this.log.setAttribute('aria-label', 'Conversation');
    this.send = h('button', { type: 'submit', class: 'a3s-button' }, 'Send');
    this.stop = button('Stop', () => this.answering?.abort());
    const clear = button('Clear', () => this.clear());
    const form = h('form', { class: 'a3s-row' }, this.input, this.send, this.stop);
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.submit();
    });
    this.input.addEventListener('keydown', event => {
      if (event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        void this.submit();
      }
    });
    this.choice.addEventListener('change', () => this.tell());
    const tools = h('div', { class: 'a3s-row' }, this.choice, clear);
    this.element = root(
      'a3s-chat',
      tools,
      this.parameters(),
      this.log,
      this.error,
      form,
      this.status
    );
    this.replace(start.messages);
    this.setAnswering(null);
    this.unsubscribe = live.subscribe(({ models }) => this.offer(models));
  }

  /** Show another conversation, in place of this one. */
  replace(messages: readonly Message[]): void {
    if (messages === this.messages) {
      return;
    }
    this.answering?.abort();
    this.messages = messages;
    this.log.replaceChildren();
    for (const message of messages) {
      this.show(message);
    }
  }

  dispose(): void {
    this.answering?.abort();
    this.unsubscribe();
  }

  private parameters(): HTMLElement {
    const fields = [
      ['Temperature', this.temperature],
      ['Most tokens', this.maxTokens],
      ['System', this.system]
    ] as const;
    const labels = fields.map(([name, field]) => h('label', { class: 'a3s-field' }, name, field));
    const row = h('div', { class: 'a3s-row' }, ...labels);
    return h('details', {}, h('summary', {}, 'Parameters'), row);
  }

  /** Offer the models that chat, and keep the choice. */
  private offer(models: Models): void {
    const names = [...models.values()]
      .filter(model => model.capabilities?.includes('chat'))
      .map(model => model.id)
      .sort();
    const chosen = this.choice.value || this.start.model;
    if (chosen !== '' && !names.includes(chosen)) {
      names.unshift(chosen);
    }
    if (names.join('\n') !== [...this.choice.options].map(option => option.value).join('\n')) {
      this.choice.replaceChildren(...names.map(name => h('option', { value: name }, name)));
      this.choice.value = chosen || (names[0] ?? '');
    }
  }

  private async submit(): Promise<void> {
    const content = this.input.value.trim();
    if (content === '' || this.answering !== null) {
      return;
    }
    setText(this.error, '');
    setText(this.status, '');
    this.input.value = '';
    const question: Message = { role: 'user', content };
    const asked = [...this.messages, question];
    const asking = this.show(question);
    const place = this.show({ role: 'assistant', content: '' });
    const answering = new AbortController();
    this.setAnswering(answering);
    let answer = '';
    // All of an answer is rendered anew with each piece; once a frame will do.
    const draw = oncePerFrame(() => this.draw(place, answer));
    const onText = (text: string) => {
      answer = text;
      draw();
    };
    const body = chatBody(this.choice.value, asked, this.given());
    try {
      const speed = await ask(this.live.transport, body, onText, answering.signal);
      setText(this.status, formatSpeed(speed) + (answering.signal.aborted ? ', stopped' : ''));
    } catch (error) {
      setText(this.error, (error as Error).message);
    }
    this.setAnswering(null);
    if (answer === '') {
      asking.remove();
      place.remove();
      this.input.value ||= content; // nothing that was written is lost
    } else if (place.isConnected) {
      this.messages = [...asked, { role: 'assistant', content: answer }];
      this.tell();
    }
  }

  private setAnswering(answering: AbortController | null): void {
    this.answering = answering;
    this.send.disabled = answering !== null;
    this.stop.disabled = answering === null;
    this.log.setAttribute('aria-busy', String(answering !== null));
  }

  private given(): Parameters {
    const { temperature, maxTokens, system } = this;
    return {
      ...(temperature.value !== '' && { temperature: Number(temperature.value) }),
      ...(maxTokens.value !== '' && { max_tokens: Number(maxTokens.value) }),
      ...(system.value !== '' && { system: system.value })
    };
  }

  private show({ role, content }: Message): HTMLElement {
    const place = h('div', { class: `a3s-message a3s-${role}` });
    if (role === 'user') {
      place.textContent = content;
    } else {
      this.draw(place, content);
    }
    this.log.append(place);
    this.log.scrollTop = this.log.scrollHeight;
    return place;
  }

  private draw(place: HTMLElement, markdown: string): void {
    const follows = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    place.innerHTML = toHtml(markdown);
    if (follows) {
      this.log.scrollTop = this.log.scrollHeight;
    }
  }

  private clear(): void {
    this.replace([]);
    this.tell();
  }

  private tell(): void {
    this.changed({ model: this.choice.value, messages: this.messages });
  }
}
