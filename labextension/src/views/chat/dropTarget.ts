/** Takes what is dragged onto a chat: images of the desktop, and what JupyterLab drags. */

import type { Attachment } from './attachment.js';
import type { ContextSources } from './context.js';
import { imageFiles } from './images.js';

/** The part of the drag events of JupyterLab that is used here. */
interface LabDragEvent extends Event {
  readonly mimeData?: unknown;
  readonly proposedAction?: string;
  dropAction?: string;
}

const LAB_EVENTS = ['lm-dragenter', 'lm-dragover', 'lm-dragleave', 'lm-drop'];
const EVENTS = ['dragover', 'dragleave', 'drop', ...LAB_EVENTS];

export class DropTarget {
  onFiles: (files: readonly File[]) => void = () => undefined;
  onAttachments: (attachments: Promise<readonly Attachment[]>) => void = () => undefined;
  private readonly listener = (event: Event) => this.handle(event);

  constructor(
    private readonly element: HTMLElement,
    private readonly sources: ContextSources | undefined,
    private readonly room: () => number
  ) {
    for (const name of EVENTS) {
      element.addEventListener(name, this.listener);
    }
  }

  dispose(): void {
    for (const name of EVENTS) {
      this.element.removeEventListener(name, this.listener);
    }
  }

  private handle(event: Event): void {
    if (event.type.endsWith('leave')) {
      this.mark(false);
    } else if (event.type.startsWith('lm-')) {
      this.handleLab(event);
    } else {
      this.handleFiles(event as DragEvent);
    }
  }

  private handleFiles(event: DragEvent): void {
    const { dataTransfer } = event;
    if (!dataTransfer?.types.includes('Files')) {
      return;
    }
    event.preventDefault(); // otherwise the page would open the file
    event.stopPropagation();
    this.mark(event.type !== 'drop');
    if (event.type === 'drop') {
      this.onFiles(imageFiles(dataTransfer));
    }
  }

  private handleLab(event: LabDragEvent): void {
    if (!this.sources?.accepts(event.mimeData)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    event.dropAction = event.proposedAction ?? 'copy';
    this.mark(event.type !== 'lm-drop');
    if (event.type === 'lm-drop') {
      const dropped = this.sources.drop(event.mimeData, this.room());
      if (dropped !== null) {
        this.onAttachments(dropped);
      }
    }
  }

  private mark(isOver: boolean): void {
    this.element.classList.toggle('a3s-drop', isOver);
  }
}
