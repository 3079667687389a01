/** A chat with a model. */

import { messageOf } from '../../api/transport.js';
import { isInMemory, type Models } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { type Answer, answerLine, readingText } from './answerLine.js';
import { chatRequest, type Message, type Parameters, streamAnswer } from './chatCompletion.js';
import { button, h, oncePerFrame, root, setText } from '../dom.js';
import { MessageView } from './messageView.js';

/** The state that the widget saves, so that a reloaded page shows the same chat. */
export interface Conversation {
  model: string;
  messages: readonly Message[];
}

/** The log follows new text while it is scrolled to within this many pixels of its end. */
const SCROLL_MARGIN = 40;

/** Milliseconds after which the progress in the prompt is shown. */
const READING_DELAY = 500;

export class ChatView {
  readonly element: HTMLElement;
  private readonly modelSelect = h('select', { 'aria-label': 'Model' });
  private readonly log = h('div', {
    class: 'a3s-log',
    role: 'log',
    tabindex: '0',
    'aria-label': 'Conversation'
  });
  private readonly input = h('textarea', {
    rows: '2',
    'aria-label': 'Message',
    placeholder: 'Send a message'
  });
  private readonly status = h('div', { class: 'a3s-quiet', role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert' });
  private readonly sendButton = h('button', { type: 'submit', class: 'a3s-button' }, 'Send');
  private readonly stopButton = button('Stop', () => this.answering?.abort());
  private readonly temperature = h('input', { type: 'number', min: '0', max: '2', step: '0.1' });
  private readonly maxTokens = h('input', { type: 'number', min: '1', step: '1' });
  private readonly system = h('input', { type: 'text' });
  private models: Models = new Map();
  private messages: readonly Message[] = [];
  private answering: AbortController | null = null;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly store: Store,
    private readonly initial: Conversation,
    private readonly onChange: (conversation: Conversation) => void
  ) {
    const clear = button('Clear', () => this.clear());
    this.modelSelect.addEventListener('change', () => this.notifyChange());
    this.element = root(
      'a3s-chat',
      h('div', { class: 'a3s-row' }, this.modelSelect, clear),
      this.createParameters(),
      this.log,
      this.error,
      this.createForm(),
      this.status
    );
    this.replace(initial.messages);
    this.setAnswering(null);
    this.unsubscribe = store.subscribe(({ models }) => this.updateModels(models));
  }

  /** Show another conversation, and stop the current answer. */
  replace(messages: readonly Message[]): void {
    if (messages === this.messages) {
      return;
    }
    this.answering?.abort();
    this.messages = messages;
    this.log.replaceChildren();
    for (const message of messages) {
      this.append(message);
    }
  }

  dispose(): void {
    this.answering?.abort();
    this.unsubscribe();
  }

  private createParameters(): HTMLElement {
    const fields = [
      ['Temperature', this.temperature],
      ['Max tokens', this.maxTokens],
      ['System prompt', this.system]
    ] as const;
    const labels = fields.map(([name, field]) => h('label', { class: 'a3s-field' }, name, field));
    const row = h('div', { class: 'a3s-row' }, ...labels);
    return h('details', {}, h('summary', {}, 'Parameters'), row);
  }

  private createForm(): HTMLFormElement {
    const form = h('form', { class: 'a3s-row' }, this.input, this.sendButton, this.stopButton);
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
    return form;
  }

  /** List the models that can chat, and keep the selected one. */
  private updateModels(models: Models): void {
    this.models = models;
    const names = [...models.values()]
      .filter(model => model.capabilities?.includes('chat'))
      .map(model => model.id)
      .sort();
    const selected = this.modelSelect.value || this.initial.model;
    if (selected !== '' && !names.includes(selected)) {
      names.unshift(selected);
    }
    const listed = [...this.modelSelect.options].map(option => option.value);
    if (names.join('\n') !== listed.join('\n')) {
      this.modelSelect.replaceChildren(...names.map(name => h('option', { value: name }, name)));
      this.modelSelect.value = selected || (names[0] ?? '');
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
    const messages = [...this.messages, question];
    const questionView = this.append(question);
    const answerView = this.append({ role: 'assistant', content: '' });
    const answering = new AbortController();
    this.setAnswering(answering);
    const answer = await this.answer(messages, answerView, answering.signal);
    this.setAnswering(null);
    if (answer === null) {
      questionView.element.remove();
      answerView.element.remove();
      this.input.value ||= content; // Let the user try again.
    } else if (answerView.element.isConnected) {
      this.messages = [...messages, answer];
      this.notifyChange();
    }
  }

  /** Show the next answer in `view` while it is generated, and return what was received. */
  private async answer(
    messages: readonly Message[],
    view: MessageView,
    signal: AbortSignal
  ): Promise<Message | null> {
    let answer = '';
    let thoughts = '';
    let thinkingSeconds = 0;
    let isEnded = false;
    // Rendering always covers the whole answer, so do it at most once per frame.
    const draw = oncePerFrame(() => {
      this.followingEnd(() => {
        view.showThoughts(thoughts, thinkingSeconds, answer === '' && !isEnded);
        if (answer !== '') {
          view.showAnswer(answer);
        }
      });
    });
    const started = performance.now();
    const listener = {
      onText: (text: string) => {
        answer = text;
        draw();
      },
      onThoughts: (text: string, seconds: number) => {
        thoughts = text;
        thinkingSeconds = seconds;
        draw();
      },
      onReading: (processed: number, total: number) => {
        if (performance.now() - started >= READING_DELAY) {
          view.showNotice(readingText(processed, total));
        }
      }
    };
    const model = this.models.get(this.modelSelect.value);
    const parameters = this.readParameters();
    const local = model?.format !== 'remote';
    const request = chatRequest(this.modelSelect.value, messages, parameters, local);
    try {
      const measured = await streamAnswer(this.store.transport, request, listener, signal);
      const line = answerLine(model && isInMemory(model) ? measured : withoutTimes(measured));
      setText(this.status, [signal.aborted && 'stopped', line].filter(Boolean).join(' · '));
    } catch (error) {
      setText(this.error, messageOf(error));
    }
    isEnded = true;
    draw();
    if (answer === '' && thoughts === '') {
      return null;
    }
    const reasoning = thoughts === '' ? {} : { reasoning_content: thoughts };
    return { role: 'assistant', content: answer, ...reasoning };
  }

  private setAnswering(answering: AbortController | null): void {
    this.answering = answering;
    this.sendButton.disabled = answering !== null;
    this.stopButton.disabled = answering === null;
    this.log.setAttribute('aria-busy', String(answering !== null));
  }

  private readParameters(): Parameters {
    const { temperature, maxTokens, system } = this;
    return {
      ...(temperature.value !== '' && { temperature: Number(temperature.value) }),
      ...(maxTokens.value !== '' && { max_tokens: Number(maxTokens.value) }),
      ...(system.value !== '' && { system: system.value })
    };
  }

  private append(message: Message): MessageView {
    const view = new MessageView(message);
    this.log.append(view.element);
    this.log.scrollTop = this.log.scrollHeight;
    return view;
  }

  /** Change the log, and scroll to its end if it was there. */
  private followingEnd(change: () => void): void {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    change();
    if (scrollHeight - scrollTop - clientHeight < SCROLL_MARGIN) {
      this.log.scrollTop = this.log.scrollHeight;
    }
  }

  private clear(): void {
    this.replace([]);
    this.notifyChange();
  }

  private notifyChange(): void {
    this.onChange({ model: this.modelSelect.value, messages: this.messages });
  }
}

/** Leave out the times since the request, which include the load of the model. */
function withoutTimes(answer: Answer): Answer {
  return { ...answer, firstTokenSeconds: null, seconds: null };
}
