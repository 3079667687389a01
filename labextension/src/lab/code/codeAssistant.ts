/** Fix, explain, improve, document, test and write code with a model. */

import { Notification } from '@jupyterlab/apputils';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Extension } from '@codemirror/state';
import type { Widget } from '@lumino/widgets';

import { messageOf } from '../../api/transport.js';
import type { Attachment } from '../../views/chat/attachment.js';
import { trans } from '../../views/i18n.js';
import { cellAttachments } from '../context/cells.js';
import { cutLines, estimateTokens } from '../context/cutting.js';
import { placedCell } from '../context/front.js';
import { insertion, withoutLastLines } from '../context/inserting.js';
import { readableTraceback } from '../context/traceback.js';
import type { IAssistant, IPower } from '../tokens.js';
import { ask } from './ask.js';
import { splitMagic, withMagic } from './edits.js';
import { chooseModel } from './models.js';
import {
  type CellPlace,
  editorOf,
  errorOf,
  focusEditor,
  languageOf,
  modelOf,
  mountBelow,
  type Place,
  replaceSource,
  sourceOf
} from './places.js';
import { PromptBox } from './promptBox.js';
import {
  type ChatMessage,
  fill,
  messagesOf,
  type PromptName,
  type Prompts,
  type PromptValues
} from './prompts.js';
import { Proposal, type ProposalTarget } from './proposal.js';

/** Tokens of what is sent besides the code itself. */
const ERROR_TOKENS = 600;
const CONTEXT_TOKENS = 800;
const ATTACHMENT_TOKENS = 3000;

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
    const source = sourceOf(place);
    const { magic, code } = splitMagic(source);
    const values = { ...this.valuesOf(place, code), before: cellsAbove(place, CONTEXT_TOKENS) };
    await this.propose(place, name, values, {
      ...targetOf(place),
      build: answer => withMagic(magic, answer)
    });
  }

  /** Propose a cell with tests below a cell. */
  async writeTests(place: CellPlace): Promise<void> {
    const { code } = splitMagic(sourceOf(place));
    await this.propose(place, 'write_tests', this.valuesOf(place, code), {
      language: languageOf(place),
      before: '',
      build: answer => answer,
      current: () => '',
      changed: null,
      apply: after => insertBelow(place, after),
      focus: () => focusEditor(place)
    });
  }

  /** Explain the code, or the error of a cell, in the chat, or else below the code. */
  async explain(place: Place, name: 'explain' | 'explain_error'): Promise<void> {
    const model = await this.model();
    if (model === null) {
      return;
    }
    const prompt = (await this.loadPrompts())[name];
    if (this.assistant !== null) {
      const text = fill(prompt.user, { language: languageOf(place) });
      const attachments = attachmentsOf(place, name === 'explain_error');
      await this.assistant.open({ text, attachments, send: true, model });
      return;
    }
    const { code } = splitMagic(sourceOf(place));
    await this.show(place, name, model, messagesOf(prompt, this.valuesOf(place, code)), null);
  }

  /** Ask at the cursor what to write, and propose it there, or in place of the selection. */
  write(place: Place): void {
    const editor = editorOf(place);
    if (editor === null) {
      return;
    }
    const source = sourceOf(place);
    const { start, end } = editor.getSelection();
    const offsets = [editor.getOffsetAt(start), editor.getOffsetAt(end)].sort((a, b) => a - b);
    const [from = 0, to = 0] = offsets;
    const selected = source.slice(from, to);
    const label = selected.trim()
      ? trans.__('How to change the selected code')
      : trans.__('What code to write here');
    const send = (question: string) =>
      void this.reporting(() => this.writeAt(place, source, from, to, question));
    const box = new PromptBox(label, send, () => focusEditor(place));
    this.mount(place, box);
    box.focus();
  }

  private async writeAt(
    place: Place,
    source: string,
    from: number,
    to: number,
    question: string
  ): Promise<void> {
    const selected = source.slice(from, to);
    const above = cellsAbove(place, CONTEXT_TOKENS);
    const before = [above, cutLines(source.slice(0, from), CONTEXT_TOKENS, 'ends').text];
    const values = {
      language: languageOf(place),
      question,
      code: selected,
      before: before.filter(text => text.trim()).join('\n\n'),
      after: cutLines(source.slice(to), CONTEXT_TOKENS, 'start').text
    };
    await this.propose(place, 'write_code', values, {
      ...targetOf(place),
      before: source,
      build: answer => {
        const edit = selected.trim()
          ? { start: from, end: to, text: keepEnd(selected, answer) }
          : insertion(source, from, answer);
        return source.slice(0, edit.start) + edit.text + source.slice(edit.end);
      }
    });
  }

  /** Run an action, and show its error. */
  async reporting(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      Notification.error(messageOf(error), { autoClose: false });
    }
  }

  private async propose(
    place: Place,
    name: PromptName,
    values: PromptValues,
    target: ProposalTarget
  ): Promise<void> {
    const model = await this.model();
    if (model !== null) {
      const messages = messagesOf((await this.loadPrompts())[name], values);
      await this.show(place, name, model, messages, target);
    }
  }

  private async show(
    place: Place,
    name: PromptName,
    model: string,
    messages: readonly ChatMessage[],
    target: ProposalTarget | null
  ): Promise<void> {
    const { transport } = this.power.store;
    const proposal = new Proposal({
      title: titleOf(name),
      model,
      target,
      highlighting: await this.highlighting(place),
      ask: (onText, signal) => ask(transport, model, messages, onText, signal)
    });
    this.mount(place, proposal);
    proposal.node.focus();
  }

  private mount(place: Place, widget: Widget): void {
    const key = modelOf(place);
    this.shown.get(key)?.dispose();
    this.shown.set(key, widget);
    mountBelow(place, widget);
    widget.node.scrollIntoView({ block: 'nearest' });
  }

  private valuesOf(place: Place, code: string): PromptValues {
    const error = place.kind === 'cell' ? errorOf(place.cell) : null;
    return {
      language: languageOf(place),
      code,
      ...(error !== null && { error: readableTraceback(error, ERROR_TOKENS).text })
    };
  }

  private async highlighting(place: Place): Promise<Extension> {
    const { mimeType } = modelOf(place);
    const language = this.languages?.findByMIME(mimeType) ?? null;
    const loaded = language && (await this.languages?.getLanguage(language));
    return loaded?.support ?? [];
  }

  private model(): Promise<string | null> {
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

function targetOf(place: Place): Omit<ProposalTarget, 'build'> {
  return {
    language: languageOf(place),
    before: sourceOf(place),
    current: () => sourceOf(place),
    changed: modelOf(place).sharedModel.changed,
    apply: after => replaceSource(place, after),
    focus: () => focusEditor(place)
  };
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

/** Return code that was run above a cell, as much as fits; the nearest cells first. */
function cellsAbove(place: Place, tokens: number): string {
  if (place.kind === 'file') {
    return '';
  }
  const { widgets } = place.panel.content;
  const above = widgets.slice(0, widgets.indexOf(place.cell)).reverse();
  const sources: string[] = [];
  let left = tokens;
  for (const { model } of above) {
    const source = model.sharedModel.getSource();
    if (model.type !== 'code' || (model as ICodeCellModel).executionCount === null) {
      continue;
    }
    left -= estimateTokens(source);
    if (left < 0) {
      break;
    }
    sources.unshift(source);
  }
  return sources.join('\n\n');
}

function attachmentsOf(place: Place, withError: boolean): readonly Attachment[] {
  if (place.kind === 'cell') {
    const placed = placedCell({ kind: 'notebook', panel: place.panel }, place.cell);
    return cellAttachments(placed, ATTACHMENT_TOKENS, { source: true, outputs: withError });
  }
  const piece = cutLines(sourceOf(place), ATTACHMENT_TOKENS, 'start');
  const title = place.panel.title.label;
  return [{ kind: 'file', title, language: languageOf(place), ...piece }];
}

function insertBelow({ panel, cell }: CellPlace, source: string): void {
  const { content } = panel;
  const index = content.widgets.indexOf(cell) + 1;
  content.model?.sharedModel.insertCell(index, { cell_type: 'code', source });
  content.activeCellIndex = index;
}

/** Return code with the line breaks that the selection ended with. */
function keepEnd(selected: string, code: string): string {
  return withoutLastLines(code) + (/\n*$/.exec(selected)?.[0] ?? '');
}
