/** The completions of one page: from the editor to the model and back to the ghost text. */

import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { IInlineCompletionContext, IInlineCompletionItem } from '@jupyterlab/completer';

import type { Transport } from '../../api/transport.js';
import type { Models } from '../../state/state.js';
import { Completer, type Activity, type Place } from './completer.js';
import { checkRoom, chosenModel, Gate, promptTokens } from './gate.js';
import { buildPrompt, type Surroundings } from './prompt.js';
import { codeOf, type Mode, type Part, partsOf, requestFor } from './request.js';
import type { InlineSettings } from './settings.js';
import { editorOf, sourceOf } from './source.js';
import { isSensible, languageOf } from './where.js';

interface CodePlace extends Place {
  /** Reads the cells around when they are needed. */
  readonly surroundings: () => Surroundings;
}

export interface Surface {
  readonly transport: Transport;
  settings(): InlineSettings;
  /** Resolve with the models that the server has. */
  models(): Promise<Models>;
  onActivity(activity: Activity): void;
  /** Called with the reason whenever there are no completions, and with null once there are. */
  onProblem(error: unknown): void;
}

/** The value of `InlineCompletionTriggerKind.Invoke`. */
const INVOKED = 0;

export class InlineCompletions {
  private readonly completer: Completer<CodePlace>;
  private readonly gate = new Gate(() => Date.now());
  private readonly streams = new Map<string, AsyncGenerator<string, void>>();
  private readonly editors = new WeakMap<CodeEditor.IEditor, number>();
  private readonly modes = new WeakMap<CodePlace, Mode>();
  private count = 0;
  private stopWatching: () => void = () => undefined;
  private watched: CodeEditor.IEditor | null = null;

  constructor(private readonly surface: Surface) {
    this.completer = new Completer<CodePlace>({
      ask: (place, signal) => this.ask(place, signal),
      codeOf: (raw, place) => this.codeOf(raw, place),
      sleep: milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds)),
      onActivity: activity => surface.onActivity(activity),
      onError: error => {
        this.gate.failed();
        surface.onProblem(error);
      }
    });
  }

  /** Return the completions at the cursor: one, or none. */
  async fetch(
    mimeType: string,
    context: IInlineCompletionContext
  ): Promise<IInlineCompletionItem[]> {
    const editor = editorOf(context.widget);
    const isInvoked = (context.triggerKind as number) === INVOKED;
    if (editor === null) {
      return [];
    }
    this.watch(editor);
    const place = this.placeOf(editor);
    const { before, after } = place;
    const surroundings = () => ({ ...sourceOf(context.widget, editor), before, after, mimeType });
    const { debounce, languagesOff } = this.surface.settings();
    if (isInvoked) {
      this.gate.open();
    }
    if (this.gate.isClosed || !isSensible(before, after, mimeType, languagesOff)) {
      this.completer.cancel();
      return [];
    }
    const found = await this.completer.suggest(
      { ...place, surroundings },
      isInvoked ? 0 : debounce
    );
    if (found === null) {
      return [];
    }
    if (found.updates === null) {
      return [{ insertText: found.text, isIncomplete: false }];
    }
    this.count += 1;
    const token = String(this.count);
    this.streams.set(token, found.updates);
    return [{ insertText: found.text, isIncomplete: true, token }];
  }

  /** Yield the text of a completion as it grows. */
  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }, void> {
    const updates = this.streams.get(token);
    this.streams.delete(token);
    for await (const insertText of updates ?? []) {
      yield { response: { insertText } };
    }
  }

  /** End the running request and forget texts, because settings have changed. */
  reset(): void {
    this.completer.clear();
    this.gate.open();
    this.surface.onProblem(null);
  }

  private placeOf(editor: CodeEditor.IEditor): Place {
    const text = editor.model.sharedModel.getSource();
    const offset = editor.getOffsetAt(editor.getCursorPosition());
    const { model, multiLine } = this.surface.settings();
    return {
      key: `${model} ${multiLine} ${this.numberOf(editor)}`,
      before: text.slice(0, offset),
      after: text.slice(offset),
      multiLine
    };
  }

  private numberOf(editor: CodeEditor.IEditor): number {
    const known = this.editors.get(editor);
    if (known !== undefined) {
      return known;
    }
    this.count += 1;
    this.editors.set(editor, this.count);
    return this.count;
  }

  /**
   * End a request when the text or the cursor of its editor changes in another way, or it is left.
   *
   * JupyterLab does not ask for completions then: at the start of a line, for example.
   */
  private watch(editor: CodeEditor.IEditor): void {
    if (editor === this.watched) {
      return;
    }
    this.stopWatching();
    this.watched = editor;
    let isScheduled = false;
    const check = () => {
      if (!isScheduled) {
        isScheduled = true;
        setTimeout(() => {
          isScheduled = false;
          this.follow(editor);
        });
      }
    };
    const { sharedModel, selections } = editor.model;
    sharedModel.changed.connect(check);
    selections.changed.connect(check);
    editor.host.addEventListener('focusout', check);
    this.stopWatching = () => {
      sharedModel.changed.disconnect(check);
      selections.changed.disconnect(check);
      editor.host.removeEventListener('focusout', check);
    };
  }

  private follow(editor: CodeEditor.IEditor): void {
    if (editor !== this.watched) {
      return;
    }
    if (editor.isDisposed || !editor.hasFocus()) {
      this.completer.cancel();
      this.stopWatching();
      this.watched = null;
      return;
    }
    this.completer.follow(this.placeOf(editor));
  }

  private async *ask(place: CodePlace, signal: AbortSignal): AsyncGenerator<Part, void> {
    const { transport } = this.surface;
    const settings = this.surface.settings();
    const { model, mode } = chosenModel(await this.surface.models(), settings.model);
    this.modes.set(place, mode);
    await checkRoom(transport, model, signal);
    const around = place.surroundings();
    const tokens = promptTokens(model, settings.contextTokens, settings.maxTokens);
    const prompt = buildPrompt(around, tokens);
    const hasRest = /^[^\n]*\S/.test(place.after);
    const limits = { ...settings, multiLine: settings.multiLine && !hasRest };
    const { path, body } = requestFor(model.id, mode, prompt, languageOf(around.mimeType), limits);
    for await (const part of partsOf(transport.stream(path, body, signal))) {
      this.gate.open();
      this.surface.onProblem(null);
      yield part;
    }
  }

  private codeOf(raw: string, place: CodePlace): string | null {
    return this.modes.get(place) === 'chat' ? codeOf(raw, place.before) : raw;
  }
}
