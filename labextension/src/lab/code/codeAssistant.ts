/** Fix, explain, improve, document, test and write code with a model. */

import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Extension } from '@codemirror/state';
import type { Widget } from '@lumino/widgets';

import { messageOf } from '../../api/transport.js';
import type { Model } from '../../api/types.js';
import { trans } from '../../views/i18n.js';
import { notifyOfFailure } from '../failureNotice.js';
import type { IAssistant, IPower } from '../tokens.js';
import { type AnswerListener, ask, type ModelAnswer } from './ask.js';
import { chatTitle } from './chatTitle.js';
import { splitMagic } from './edits.js';
import { counter, fit, tokensOfAnswer } from './fitting.js';
import { attachmentsOf, cellsAbove, materialOf } from './material.js';
import { chooseModel } from './models.js';
import { type CellPlace, editorOf, focusEditor, modelOf, mountBelow } from './places.js';
import { errorOf, executionOf, languageOf, type Place, sourceOf } from './places.js';
import { PromptBox } from './promptBox.js';
import { fill, type Prompt, type PromptName, type Prompts } from './prompts.js';
import { Proposal, type ProposalTarget } from './proposal.js';
import { compose, type Material } from './question.js';
import { newCellBelow, partOfSource, wholeSource } from './targets.js';

/** Tokens of what is sent besides the code itself, if they fit. */
const CONTEXT_TOKENS = 1400;
/** Tokens of what is attached to a question in the chat, and their part of a context at most. */
const ATTACHMENT_TOKENS = 3000;
const ATTACHMENT_PART = 0.5;

/** What replaces all code of a cell or a file. */
export type Rewriting = 'fix_error' | 'improve' | 'document';

export class CodeAssistant {
  /** The box or the proposal below each cell or file. */
  private readonly shown = new WeakMap<object, Widget>();
  private prompts: Promise<Prompts> | null = null;

  constructor(
    private readonly power: IPower,
    private readonly assistant: IAssistant | null,
    private readonly languages: IEditorLanguageRegistry | null
  ) {}

  /** Propose a new version of the code of a cell or a file. */
  async rewrite(place: Place, name: Rewriting): Promise<void> {
    const { code } = splitMagic(sourceOf(place));
    const cells = cellsAbove(place, executionOf(place) ?? Infinity);
    const material = { ...materialOf(place, code), cells };
    await this.propose(place, name, material, wholeSource(place));
  }

  /** Propose a cell with tests below a cell. */
  async writeTests(place: CellPlace): Promise<void> {
    const { code } = splitMagic(sourceOf(place));
    await this.propose(place, 'write_tests', materialOf(place, code), newCellBelow(place));
  }

  /** Explain the code, or the error of a cell, in the chat, or else below the code. */
  async explain(place: Place, name: 'explain' | 'explain_error'): Promise<void> {
    if (this.assistant === null) {
      const { code } = splitMagic(sourceOf(place));
      await this.propose(place, name, materialOf(place, code), null);
      return;
    }
    const model = await this.model();
    if (model === null) {
      return;
    }
    const prompt = (await this.loadPrompts())[name];
    const text = fill(prompt.user, { language: languageOf(place) });
    const context = model.num_ctx ?? model.context_length ?? Infinity;
    const tokens = Math.min(ATTACHMENT_TOKENS, context * ATTACHMENT_PART);
    const error = name === 'explain_error' && place.kind === 'cell' ? errorOf(place.cell) : null;
    const attachments = attachmentsOf(place, name === 'explain_error', tokens);
    const { code } = splitMagic(sourceOf(place));
    const title = chatTitle(place.panel.title.label, code, error?.ename ?? null);
    await this.assistant.open({ text, attachments, title, send: true, model: model.id });
  }

  /** Ask at the cursor what to write, and propose it there, or in place of the selection. */
  write(place: Place): void {
    const editor = editorOf(place);
    if (editor === null) {
      return;
    }
    const { start, end } = editor.getSelection();
    const offsets = [editor.getOffsetAt(start), editor.getOffsetAt(end)].sort((a, b) => a - b);
    const [from = 0, to = 0] = offsets;
    const source = sourceOf(place);
    const selected = source.slice(from, to);
    const label = selected.trim()
      ? trans.__('How to change the selected code')
      : trans.__('What code to write here');
    const target = partOfSource(place, from, to);
    const send = (question: string) =>
      void this.reporting(() => {
        const material = {
          values: { language: languageOf(place), question, code: selected },
          cells: cellsAbove(place),
          before: source.slice(0, from),
          after: source.slice(to)
        };
        return this.propose(place, 'write_code', material, target);
      });
    const box = new PromptBox(label, send, () => focusEditor(place));
    this.mount(place, box);
    box.focus();
  }

  /** Run an action, and show its error. */
  async reporting(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      notifyOfFailure(trans.__('The model could not be asked.'), messageOf(error));
    }
  }

  /** Ask a model, and show its answer below the code; without a target, to read only. */
  private async propose(
    place: Place,
    name: PromptName,
    material: Material,
    target: ProposalTarget | null
  ): Promise<void> {
    const model = await this.model();
    if (model === null) {
      return;
    }
    const prompt = (await this.loadPrompts())[name];
    const proposal = new Proposal({
      title: titleOf(name),
      model: model.id,
      target,
      highlighting: await this.highlighting(place),
      ask: (listener, signal) => this.ask(model, prompt, material, listener, signal)
    });
    this.mount(place, proposal);
    proposal.node.focus();
  }

  private async ask(
    model: Model,
    prompt: Prompt,
    material: Material,
    listener: AnswerListener,
    signal: AbortSignal
  ): Promise<ModelAnswer> {
    const { transport } = this.power.store;
    try {
      const draft = await fit(
        tokens => compose(prompt, material, tokens),
        CONTEXT_TOKENS,
        tokensOfAnswer(material.values.code ?? ''),
        counter(transport, model, signal)
      );
      listener.onCut(draft.cut);
      return await ask(transport, model.id, draft.messages, listener, signal);
    } catch (error) {
      if (signal.aborted) {
        return { text: '', ended: 'stopped' };
      }
      throw error;
    }
  }

  private mount(place: Place, widget: Widget): void {
    const key = modelOf(place);
    this.shown.get(key)?.dispose();
    this.shown.set(key, widget);
    mountBelow(place, widget);
    widget.node.scrollIntoView({ block: 'nearest' });
  }

  private async highlighting(place: Place): Promise<Extension> {
    const { mimeType } = modelOf(place);
    const language = this.languages?.findByMIME(mimeType) ?? null;
    const loaded = language && (await this.languages?.getLanguage(language));
    return loaded?.support ?? [];
  }

  private model(): Promise<Model | null> {
    return chooseModel(this.power, this.assistant);
  }

  private async loadPrompts(): Promise<Prompts> {
    this.prompts ??= this.power.store.transport.request(
      'GET',
      'assistant/prompts'
    ) as Promise<Prompts>;
    try {
      return await this.prompts;
    } catch (error) {
      this.prompts = null; // ask again next time
      throw error;
    }
  }
}

function titleOf(name: PromptName): string {
  switch (name) {
    case 'fix_error':
      return trans.__('Fix');
    case 'improve':
      return trans.__('Improve');
    case 'document':
      return trans.__('Document');
    case 'write_tests':
      return trans.__('Tests in a new cell below');
    case 'write_code':
      return trans.__('Write');
    case 'explain':
    case 'explain_error':
      return trans.__('Explain');
  }
}
