/** Inline completion in one page: its settings, its state, and its code, loaded on first use. */

import type {
  ICompletionProviderManager,
  IInlineCompletionContext,
  IInlineCompletionItem,
  IInlineCompletionProvider
} from '@jupyterlab/completer';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ISignal, Signal } from '@lumino/signaling';

import { messageOf, modelPath } from '../../api/transport.js';
import type { Models } from '../../state/state.js';
import type { Store } from '../../state/store.js';
import { trans } from '../../views/i18n.js';
import type { Activity } from './completer.js';
import type { InlineCompletions } from './provider.js';
import { DEFAULTS, type InlineSettings } from './settings.js';
import { statusOf, type StatusText } from './status.js';

/** The id of the provider, which is also its key in the settings of JupyterLab's completer. */
export const PROVIDER_ID = 'a3s-power';
const COMPLETER = '@jupyterlab/completer-extension:inline-completer';

export class InlineCompletion {
  private saved: ISettingRegistry.ISettings | null = null;
  private current: InlineSettings = DEFAULTS;
  private models: Models = new Map();
  private activity: Activity = 'idle';
  private problem: unknown = null;
  private completions: Promise<InlineCompletions> | null = null;
  private unsubscribe: (() => void) | null = null;
  private readonly changedSignal = new Signal<this, void>(this);

  constructor(
    private readonly store: Store,
    private readonly registry: ISettingRegistry | null,
    private readonly manager: ICompletionProviderManager | null
  ) {}

  /** Read the settings of the plugin, and follow them. */
  async follow(pluginId: string): Promise<void> {
    if (this.registry === null) {
      return;
    }
    const settings = await this.registry.load(pluginId);
    this.saved = settings;
    settings.changed.connect(() => this.apply(settings.composite as unknown as InlineSettings));
    this.apply(settings.composite as unknown as InlineSettings);
  }

  /** Emitted when something changes that the status bar shows. */
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  get settings(): InlineSettings {
    return this.current;
  }

  /** Whether completions are requested. */
  get isOn(): boolean {
    return this.current.enabled && this.current.model !== '';
  }

  get status(): StatusText {
    const { model: name, enabled } = this.current;
    const problem = this.problem === null ? '' : messageOf(this.problem);
    const status = { name, enabled, activity: this.activity, problem };
    return statusOf(status, this.models.get(name));
  }

  /** Whether there are no completions because the model is not in memory. */
  get waitsForMemory(): boolean {
    const state = this.models.get(this.current.model)?.state;
    return this.problem !== null && (state === 'unloaded' || state === 'failed');
  }

  /** What JupyterLab's completer asks. */
  provider(): IInlineCompletionProvider {
    return {
      name: trans.__('Power'),
      identifier: PROVIDER_ID,
      // The delay between keys and the limit of time are ours, so that each key ends a request.
      schema: { default: { autoFillInMiddle: true, debouncerDelay: 0, timeout: 60_000 } },
      fetch: async ({ mimeType }, context) => ({
        items: this.isOn ? await this.fetch(mimeType ?? '', context) : []
      }),
      stream: token => this.stream(token)
    };
  }

  /** Resolve with the models that the server has. */
  async knownModels(): Promise<Models> {
    this.subscribe();
    if ((await this.store.instance()) === null) {
      throw new Error(trans.__('The notebook server cannot be reached.'));
    }
    return this.models;
  }

  /** Choose a model, and turn completions on with it; '' for none. */
  async choose(model: string): Promise<void> {
    await this.set({ model, enabled: true });
    if (model !== '') {
      await this.enableProvider();
    }
  }

  async toggle(): Promise<void> {
    await this.set({ enabled: !this.current.enabled });
    if (this.current.enabled) {
      await this.enableProvider();
    }
  }

  /** Load the model, although others may be unloaded. */
  async load(): Promise<void> {
    const { model, keepAlive } = this.current;
    const body = keepAlive === '' ? {} : { keep_alive: keepAlive };
    this.setProblem(null);
    try {
      await this.store.transport.request('POST', modelPath(model, 'load'), body);
      (await this.completions)?.reset();
    } catch (error) {
      this.setProblem(error);
    }
  }

  private async fetch(
    mimeType: string,
    context: IInlineCompletionContext
  ): Promise<IInlineCompletionItem[]> {
    this.completions ??= this.loadCode();
    return (await this.completions).fetch(mimeType, context);
  }

  private async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }, void> {
    if (this.completions !== null) {
      yield* (await this.completions).stream(token);
    }
  }

  private async loadCode(): Promise<InlineCompletions> {
    const { InlineCompletions } = await import('./provider.js');
    return new InlineCompletions({
      transport: this.store.transport,
      settings: () => this.current,
      models: () => this.knownModels(),
      onActivity: activity => {
        this.activity = activity;
        this.changedSignal.emit();
      },
      onProblem: error => this.setProblem(error)
    });
  }

  private apply(settings: InlineSettings): void {
    this.current = settings;
    this.problem = null;
    if (this.isOn) {
      this.subscribe();
    }
    void this.completions?.then(completions => completions.reset());
    this.changedSignal.emit();
  }

  private async set(values: Partial<Pick<InlineSettings, 'enabled' | 'model'>>): Promise<void> {
    if (this.saved === null) {
      this.apply({ ...this.current, ...values });
      return;
    }
    for (const [key, value] of Object.entries(values)) {
      await this.saved.set(key, value);
    }
  }

  private subscribe(): void {
    this.unsubscribe ??= this.store.subscribe(state => {
      this.models = state.models;
      this.changedSignal.emit();
    });
  }

  private setProblem(problem: unknown): void {
    if (problem !== this.problem) {
      this.problem = problem;
      this.changedSignal.emit();
    }
  }

  /** Make sure that JupyterLab's inline completer asks this provider. */
  private async enableProvider(): Promise<void> {
    if (this.manager?.inline === undefined) {
      this.setProblem(
        new Error(
          trans.__(
            "JupyterLab's inline completer is turned off. Enable the plugin %1 in the plugin manager.",
            COMPLETER
          )
        )
      );
      return;
    }
    const settings = await this.registry?.load(COMPLETER);
    const providers = settings?.composite['providers'] as
      Record<string, { readonly enabled?: boolean }> | undefined;
    if (settings !== undefined && providers?.[PROVIDER_ID]?.enabled === false) {
      const enabled = { ...providers[PROVIDER_ID], enabled: true };
      await settings.set('providers', { ...providers, [PROVIDER_ID]: enabled });
    }
  }
}
