/** What a chat shows before its first message: prompts to try, or a model to pull. */

import { messageOf, type Transport } from '../../api/transport.js';
import type { RecommendedModel } from '../../api/types.js';
import type { State } from '../../state/state.js';
import { button, h, setText } from '../dom.js';
import { firstVariant, fitMark, sizeText } from '../find/texts.js';
import { trans } from '../i18n.js';
import { summary } from '../pulls/pulls.js';
import { requestPull } from '../pulls/startPull.js';
import type { ChatHost } from './host.js';
import { chatModels } from './models.js';

export class EmptyChat {
  readonly element: HTMLElement;
  private readonly prompts: HTMLElement;
  private readonly proposal: Proposal;

  constructor(transport: Transport, host: ChatHost, onPrompt: (prompt: string) => void) {
    const buttons = suggestedPrompts().map(prompt =>
      button(prompt, () => onPrompt(prompt), { class: 'a3s-button a3s-prompt' })
    );
    const title = h('p', { class: 'a3s-quiet' }, trans.__('Try one of these, or write a message.'));
    this.prompts = h('div', {}, title, h('div', { class: 'a3s-prompts' }, ...buttons));
    this.proposal = new Proposal(transport, host);
    this.element = h('div', { class: 'a3s-chat-empty' }, this.prompts, this.proposal.element);
  }

  /** Show prompts if there is a model that chats, and a model to pull otherwise. */
  update(state: State, isConnected: boolean): void {
    const hasModel = chatModels(state.models).length > 0;
    this.prompts.hidden = !hasModel;
    this.proposal.element.hidden = hasModel || !isConnected;
    if (!this.proposal.element.hidden) {
      this.proposal.update(state);
    }
  }
}

function suggestedPrompts(): string[] {
  return [
    trans.__('What can you help me with?'),
    trans.__('Explain in three sentences how a language model works.'),
    trans.__('Write a Python function that counts the words of a file.'),
    trans.__('Suggest five names for a project about local models.')
  ];
}

/** A model to pull, when none here can chat. */
class Proposal {
  readonly element: HTMLElement;
  private readonly name = h('strong', { dir: 'auto' });
  private readonly facts = h('div', { class: 'a3s-note', dir: 'auto' });
  private readonly pullButton = button(trans.__('Pull'), () => void this.pull(), {
    class: 'a3s-button a3s-primary'
  });
  private readonly progress = h('span', { class: 'a3s-note', role: 'status' });
  private readonly error = h('div', { class: 'a3s-error', role: 'alert', dir: 'auto' });
  private readonly row: HTMLElement;
  private reference = '';
  /** Name under which the server knows the pull. */
  private pulled = '';
  private isRequested = false;

  constructor(
    private readonly transport: Transport,
    host: ChatHost
  ) {
    const { openModels } = host;
    const more = openModels && button(trans.__('More models'), openModels);
    this.row = h(
      'div',
      { class: 'a3s-row' },
      this.pullButton,
      ...(more ? [more] : []),
      this.progress
    );
    const other = more
      ? ''
      : trans.__('Or run %1 in a cell, which lists models that suit this machine.', '%power pull');
    this.element = h(
      'div',
      { class: 'a3s-proposal' },
      h('p', {}, trans.__('No model here can chat yet.')),
      h('div', {}, this.name, this.facts),
      this.row,
      this.error,
      h('p', { class: 'a3s-quiet' }, other)
    );
    this.pullButton.disabled = true;
  }

  update({ pulls }: State): void {
    if (!this.isRequested) {
      this.isRequested = true;
      void this.request();
    }
    const pull = pulls.get(this.pulled || this.reference);
    setText(this.progress, pull ? summary(pull) : '');
    this.pullButton.disabled = this.reference === '' || pull?.status === 'pulling';
    if (pull?.status === 'failed') {
      setText(this.error, pull.error?.message ?? '');
    }
  }

  private async request(): Promise<void> {
    try {
      const reply = await this.transport.request('GET', 'hub/recommended');
      const model = proposedModel((reply as { data: readonly RecommendedModel[] }).data);
      if (model !== undefined) {
        this.show(model);
      }
    } catch (error) {
      this.isRequested = false; // ask again at the next change
      setText(this.error, messageOf(error));
    }
  }

  private show(model: RecommendedModel): void {
    this.reference = model.reference;
    setText(this.name, model.title);
    setText(this.facts, proposalFacts(model).join(' · '));
    setText(this.error, '');
    this.pullButton.title = this.reference;
    this.pullButton.disabled = false;
  }

  private async pull(): Promise<void> {
    setText(this.error, '');
    this.pullButton.disabled = true;
    try {
      this.pulled = (await requestPull(this.transport, this.reference)).name;
    } catch (error) {
      this.pullButton.disabled = false;
      setText(this.error, messageOf(error));
    }
  }
}

/** Return the model to propose: the one for a first try, or another one that fits. */
export function proposedModel(models: readonly RecommendedModel[]): RecommendedModel | undefined {
  const chats = models.filter(({ capabilities }) => capabilities.includes('chat'));
  const fitting = chats.filter(({ variants }) => firstVariant(variants)?.fit !== 'too_large');
  return fitting.find(model => model.default) ?? fitting[0] ?? chats[0];
}

/** Return what is said about a proposed model: what it is good for, its size, whether it fits, ... */
export function proposalFacts(model: RecommendedModel): string[] {
  const { good_for, license, reference, variants } = model;
  const variant = variants.find(each => each.reference === reference);
  const facts = variant ? [sizeText(variant), fitMark(variant.fit).text] : [];
  return [good_for, ...facts, license];
}
