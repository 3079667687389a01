/** A field for the hub's token, which is stored on the server and never kept in the page. */

import { messageOf } from '../../api/transport.js';
import type { TokenState } from '../../api/types.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { trans } from '../i18n.js';
import { Latest } from '../latest.js';
import { linked } from './links.js';
import type { FindTools } from './tools.js';

const PATH = 'hub/token';

export class TokenField {
  readonly element: HTMLDetailsElement;
  private readonly input: HTMLInputElement;
  private readonly status = h('div', { role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly remove = button(trans.__('Remove'), () => this.send('DELETE'), { hidden: true });
  private readonly latest = new Latest();
  /** What waits for a token to be stored. */
  private goOn: (() => void) | undefined;

  /** `onChange` is called when another token is stored, and when it is removed. */
  constructor(
    private readonly tools: FindTools,
    private readonly onChange: () => void
  ) {
    const id = uniqueId();
    this.input = h('input', {
      id,
      type: 'password',
      placeholder: 'hf_…',
      autocomplete: 'off',
      spellcheck: 'false'
    });
    const form = h(
      'form',
      { class: 'a3s-row' },
      h('label', { for: id }, trans.__('Token')),
      this.input,
      h('button', { type: 'submit', class: 'a3s-button' }, trans.__('Save')),
      this.remove
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.save();
    });
    this.element = h(
      'details',
      { class: 'a3s-find-section a3s-token' },
      h('summary', {}, trans.__('Hub token')),
      h(
        'div',
        { class: 'a3s-quiet' },
        ...linked(
          trans.__(
            'Gated models need a token of an account that has accepted their terms. Create one at %1. The server stores it, as %power login does; this page does not keep it.',
            'https://huggingface.co/settings/tokens'
          )
        )
      ),
      form,
      this.status,
      this.error
    );
    this.element.addEventListener('toggle', () => {
      if (this.element.open) {
        this.send('GET');
      } else {
        this.goOn = undefined;
      }
    });
  }

  /** Open the field and put the focus on it. `goOn` is called once a token is stored. */
  open(goOn?: () => void): void {
    this.goOn = goOn;
    this.element.open = true;
    this.element.scrollIntoView({ block: 'nearest' });
    this.input.focus();
  }

  dispose(): void {
    this.latest.cancel();
    this.input.value = '';
  }

  private save(): void {
    const token = this.input.value.trim();
    if (token === '') {
      this.input.focus();
    } else {
      this.send('PUT', { token });
    }
  }

  private send(method: string, body?: object): void {
    setText(this.error, '');
    this.latest.schedule(async signal => {
      try {
        const { transport } = this.tools;
        this.show((await transport.request(method, PATH, body, signal)) as TokenState);
        if (method !== 'GET') {
          this.onChange();
        }
        if (method === 'PUT') {
          this.input.value = '';
          const { goOn } = this;
          this.goOn = undefined;
          goOn?.();
        }
      } catch (error) {
        if (!signal.aborted) {
          setText(this.error, messageOf(error));
        }
      }
    });
  }

  private show(state: TokenState): void {
    setText(this.status, tokenText(state));
    if (this.remove === this.remove.ownerDocument.activeElement) {
      this.input.focus();
    }
    this.remove.hidden = state.source !== 'file';
  }
}

/** Describe where the token comes from. */
export function tokenText({ present, source, user }: TokenState): string {
  if (!present) {
    return trans.__('No token is stored.');
  }
  const text =
    source === 'environment'
      ? trans.__('The token in the server’s environment (HF_TOKEN) is used.')
      : trans.__('A token is stored.');
  return user ? `${text} ${trans.__('It belongs to %1.', user)}` : text;
}
