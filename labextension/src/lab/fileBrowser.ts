/** Register models of JupyterLab's file browser: its context menu, a file dialog, and drops. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog, type IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { Contents } from '@jupyterlab/services';

import { messageOf } from '../api/transport.js';
import { EMPTY, type State } from '../state/state.js';
import type { Store } from '../state/store.js';
import { register, type Registered } from '../views/find/registration.js';
import { trans } from '../views/i18n.js';
import { notifyOfFailure } from './failureNotice.js';
import { modelsIcon } from './icons.js';

const REGISTER_COMMAND = 'a3s-power:register';

/** The type of the paths that the file browser drags. */
const CONTENTS_MIME = 'application/x-jupyter-icontents';

/** Milliseconds for which a notification of a success is shown. */
const AUTO_CLOSE = 8_000;

/** Milliseconds after which a registration is said to be in progress. Large files are hashed. */
const PATIENCE = 1_000;

/** The drives whose files are on the disk of the server: the default one, and shared documents. */
const LOCAL_DRIVES = ['', 'RTC'];

export class FileBrowserModels {
  private state: State = EMPTY;

  /** `browsers` is null where there is no file browser. */
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly store: Store,
    private readonly browsers: IFileBrowserFactory | null,
    private readonly showModels: () => void
  ) {
    if (browsers === null) {
      return;
    }
    store.subscribe(state => (this.state = state));
    app.commands.addCommand(REGISTER_COMMAND, {
      label: trans.__('Register as local model'),
      caption: trans.__('Register the model where it is, without copying it'),
      icon: modelsIcon,
      isVisible: () => this.selected().length > 0,
      execute: () => this.register(this.selected())
    });
  }

  /**
   * Let the user choose a file or a folder.
   *
   * Resolves with its path; with '' if nothing but the root was open, and null if the dialog was
   * cancelled.
   */
  async choose(manager: IDocumentManager): Promise<string | null> {
    const { value } = await FileDialog.getOpenFiles({
      manager,
      title: trans.__('Choose a model'),
      label: trans.__('A .gguf file, or the folder of a safetensors model'),
      defaultPath: this.browsers?.tracker.currentWidget?.model.path ?? '',
      filter: item => (isCandidate(item) ? {} : null)
    });
    return value?.[0]?.path ?? null;
  }

  /** Register the models at `paths` of the file browser, and say how it went in notifications. */
  async register(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      await this.registerOne(path);
    }
  }

  /** Return the paths selected in the file browser that can be models. */
  private selected(): string[] {
    const browser = this.browsers?.tracker.currentWidget;
    return [...(browser?.selectedItems() ?? [])].filter(isCandidate).map(({ path }) => path);
  }

  private async registerOne(path: string): Promise<void> {
    const { contents } = this.app.serviceManager;
    if (!LOCAL_DRIVES.includes(contents.driveName(path))) {
      const why = trans.__('It is not on the server’s disk. Download it there first.');
      notifyOfFailure(failedText(path), why);
      return;
    }
    const hide = showLater(trans.__('Registering %1…', path));
    try {
      // The server proposes a name that no other model has.
      const place = { contents_path: contents.localPath(path) };
      this.tellSuccess(await register(this.store.transport, place, this.state.models));
    } catch (error) {
      notifyOfFailure(failedText(path), messageOf(error));
    } finally {
      hide();
    }
  }

  private tellSuccess({ model, wasHere }: Registered): void {
    const message = wasHere
      ? trans.__('%1 is already registered.', model.id)
      : trans.__('Registered %1. Its files stay where they are.', model.id);
    const show = { label: trans.__('Show local models'), callback: () => this.showModels() };
    Notification.success(message, { autoClose: AUTO_CLOSE, actions: [show] });
  }
}

/** Say which file or folder is not registered. The reason has its whole path. */
function failedText(path: string): string {
  return trans.__('Could not register %1.', path.split('/').pop() ?? path);
}

/** Show a notification if it is not hidden soon. Returns the function that hides it. */
function showLater(message: string): () => void {
  let id = '';
  const timer = setTimeout(() => {
    id = Notification.emit(message, 'in-progress', { autoClose: false });
  }, PATIENCE);
  return () => {
    clearTimeout(timer);
    if (id !== '') {
      Notification.dismiss(id);
    }
  };
}

/** Whether a file or folder can be a model. */
function isCandidate({ type, name }: Contents.IModel): boolean {
  return type === 'directory' || name.toLowerCase().endsWith('.gguf');
}

/** The part of an event of Lumino's drag and drop that is needed here. */
interface LuminoDragEvent extends MouseEvent {
  readonly mimeData: { hasData(mime: string): boolean; getData(mime: string): unknown };
  readonly proposedAction: string;
  dropAction: string;
}

/** Call `onPaths` with the paths that are dropped on `node` from the file browser. */
export function acceptDrops(node: HTMLElement, onPaths: (paths: readonly string[]) => void): void {
  const listen = (type: string, listener: (event: LuminoDragEvent) => void) =>
    node.addEventListener(type, event => {
      const drag = event as LuminoDragEvent;
      if (drag.mimeData.hasData(CONTENTS_MIME)) {
        drag.preventDefault();
        drag.stopPropagation();
        listener(drag);
      }
    });
  const highlight = (isOver: boolean) => node.classList.toggle('a3s-drop', isOver);
  listen('lm-dragenter', () => highlight(true));
  listen('lm-dragleave', event => highlight(node.contains(event.relatedTarget as Node | null)));
  listen('lm-dragover', event => (event.dropAction = event.proposedAction));
  listen('lm-drop', event => {
    highlight(false);
    onPaths(event.mimeData.getData(CONTENTS_MIME) as string[]);
  });
}
