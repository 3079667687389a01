/** Registers a model on this machine, and asks for another name if its own is taken. */

import { RequestError, type Transport } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { EMPTY, type State } from '../../state/state.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { trans } from '../i18n.js';
import { failureOf } from './failures.js';
import { FailureView } from './failureView.js';
import { freeName } from './texts.js';
import type { FindTools } from './tools.js';

/** Where a model is: a path of the server, or one of JupyterLab's file browser. */
export type Place =
  { readonly path: string; readonly mmproj?: string } | { readonly contents_path: string };

export interface Registered {
  readonly model: Model;
  /** Whether the server had the model under this name before. */
  readonly wasHere: boolean;
}

/**
 * Register a model in place. The server proposes a name if none is given.
 *
 * `before` are the models of the server: what is registered already keeps its name.
 */
export async function register(
  transport: Transport,
  place: Place,
  before: State['models'],
  name?: string
): Promise<Registered> {
  const body = name === undefined ? place : { ...place, name };
  const model = (await transport.request('POST', 'models', body)) as Model;
  return { model, wasHere: before.has(model.id) };
}

/** Whether a registration failed because another model has the name. */
function isTaken(error: unknown): boolean {
  return error instanceof RequestError && error.code === 'model_already_exists';
}

export class Registration {
  readonly element: HTMLElement;
  private readonly status = h('div', { class: 'a3s-registration-status', role: 'status' });
  private readonly button: HTMLButtonElement;
  private readonly more = h('div', { class: 'a3s-registration-more' });
  private readonly failure = new FailureView();
  private isSending = false;
  private wasHere = false;
  private state: State = EMPTY;

  /** `name` is proposed for the model at `place`; it is `installed` under another, or not yet. */
  constructor(
    private readonly place: Place,
    private readonly name: string,
    private readonly tools: FindTools,
    private installed?: string | null
  ) {
    this.button = button(trans.__('Register'), () => this.run(), {
      'aria-label': trans.__('Register %1', name)
    });
    const row = h('div', { class: 'a3s-registration-row' }, this.status, this.button);
    this.element = h('div', { class: 'a3s-registration' }, row, this.more, this.failure.element);
  }

  /** The registered model, until it is deleted. */
  private get model(): Model | undefined {
    return this.installed ? this.state.models.get(this.installed) : undefined;
  }

  update(state: State): void {
    this.state = state;
    const model = this.model;
    if (this.isSending) {
      setText(this.status, trans.__('Registering…'));
      return;
    }
    setText(this.status, model === undefined ? '' : this.doneText(model.id));
    if (model === undefined) {
      this.label(trans.__('Register'), trans.__('Register %1', this.name));
      this.button.hidden = false;
    } else {
      this.label(trans.__('Chat'), trans.__('Chat with %1', model.id));
      const hasChats = this.tools.host.openChat !== undefined;
      this.button.hidden = !hasChats || !model.capabilities?.includes('chat');
    }
  }

  /** Register the model, under the name that the server proposes if none is given. */
  async start(name?: string): Promise<void> {
    if (this.isSending) {
      return;
    }
    this.setSending(true);
    this.failure.clear();
    try {
      const { transport } = this.tools;
      const { model, wasHere } = await register(transport, this.place, this.state.models, name);
      this.installed = model.id;
      this.wasHere = wasHere;
      this.more.replaceChildren();
    } catch (error) {
      if (isTaken(error)) {
        this.ask(name ?? this.name);
      } else {
        const again = { label: trans.__('Try again'), run: () => void this.start(name) };
        this.failure.show(failureOf(error), [again]);
      }
    }
    this.setSending(false);
  }

  private setSending(isSending: boolean): void {
    this.isSending = isSending;
    this.button.setAttribute('aria-disabled', String(isSending));
    this.update(this.state);
  }

  private doneText(name: string): string {
    return this.wasHere
      ? trans.__('Already registered as %1', name)
      : trans.__('Registered as %1', name);
  }

  private run(): void {
    const model = this.model;
    if (model === undefined) {
      void this.start(this.name);
    } else {
      this.tools.host.openChat?.(model.id);
    }
  }

  private label(text: string, label: string): void {
    setText(this.button, text);
    this.button.setAttribute('aria-label', label);
  }

  /** Ask for a name, because another model is called `taken`. */
  private ask(taken: string): void {
    const id = uniqueId();
    const value = freeName(taken, name => this.state.models.has(name));
    const input = h('input', { id, type: 'text', spellcheck: 'false', dir: 'auto', value });
    const close = () => {
      this.more.replaceChildren();
      this.button.focus();
    };
    const form = h(
      'form',
      { class: 'a3s-row a3s-question' },
      h(
        'label',
        { for: id },
        trans.__('There is another model named %1. Name for this one:', taken)
      ),
      input,
      h('button', { type: 'submit', class: 'a3s-button' }, trans.__('Register')),
      button(trans.__('Cancel'), close)
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      if (input.value.trim() !== '') {
        void this.start(input.value.trim());
      }
    });
    form.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        close();
      }
    });
    this.more.replaceChildren(form);
    input.select();
    input.focus();
  }
}
