/** Where a question is written, with what is attached to it. */

import { messageOf } from '../../api/transport.js';
import { h } from '../dom.js';
import { trans } from '../i18n.js';
import { type Attachment, joined } from './attachment.js';
import { AttachmentChips } from './attachmentChips.js';
import type { ContextSources } from './context.js';
import { type Draft, NO_DRAFT } from './draft.js';
import { DropTarget } from './dropTarget.js';
import { imageFiles, imageFrom, MAX_IMAGES } from './images.js';
import { Menu, type MenuItem } from './menu.js';

import { fitHeight, isEnter } from './textBox.js';

export interface ComposerHost {
  readonly context?: ContextSources | undefined;
  /** Send a question. Returns false if it cannot be sent now. */
  send(draft: Draft): boolean;
  stop(): void;
  /** Edit the last question. Returns false if there is none. */
  editLast(): boolean;
  /** Called when the draft has changed. */
  onChange(draft: Draft): void;
  /** Return why images cannot be attached; '' if they can. */
  imageRefusal(): string;
  /** Return how many tokens an attachment may have. */
  room(): number;
  /** Show why something failed; '' removes it. */
  report(error: string): void;
}

export class Composer {
  readonly element: HTMLFormElement;
  readonly chips = new AttachmentChips(attachment => this.remove(attachment));
  private readonly input = h('textarea', {
    rows: '1',
    dir: 'auto',
    'aria-label': trans.__('Message'),
    placeholder: trans.__('Send a message')
  });
  private readonly files = h('input', {
    type: 'file',
    accept: 'image/*',
    multiple: true,
    hidden: true,
    tabindex: '-1',
    'aria-hidden': 'true'
  });
  private readonly menu = new Menu('add', trans.__('Attach'), () => this.menuItems());
  private readonly sendButton = h(
    'button',
    { type: 'submit', class: 'a3s-button a3s-primary' },
    trans.__('Send')
  );
  private readonly stopButton = h(
    'button',
    { type: 'button', class: 'a3s-button' },
    trans.__('Stop')
  );
  private attachments: readonly Attachment[] = [];
  private width = 0;
  private readonly resizes = new ResizeObserver(() => {
    if (this.input.clientWidth !== this.width) {
      this.width = this.input.clientWidth;
      fitHeight(this.input);
    }
  });

  constructor(
    private readonly host: ComposerHost,
    ...bar: readonly HTMLElement[]
  ) {
    this.element = h(
      'form',
      { class: 'a3s-composer' },
      this.chips.element,
      this.input,
      h(
        'div',
        { class: 'a3s-composer-bar' },
        this.menu.element,
        ...bar,
        h('div', { class: 'a3s-composer-send' }, this.stopButton, this.sendButton)
      ),
      this.files
    );
    this.stopButton.addEventListener('click', () => {
      host.stop();
      this.input.focus();
    });
    this.element.addEventListener('submit', event => {
      event.preventDefault();
      this.submit();
    });
    this.resizes.observe(this.input);
    this.input.addEventListener('input', () => this.changed());
    this.input.addEventListener('keydown', event => this.onKey(event));
    this.input.addEventListener('paste', event => this.onPaste(event));
    this.files.addEventListener('change', () => {
      void this.attachImages([...(this.files.files ?? [])]);
      this.files.value = '';
    });
  }

  get draft(): Draft {
    return { text: this.input.value, attachments: this.attachments };
  }

  /** Put a question into the box. */
  setDraft({ text, attachments }: Draft): void {
    this.input.value = text;
    this.attachments = attachments;
    this.chips.show(attachments);
    this.changed();
  }

  /** Let images, and what the host knows, be dropped on an element. Returns what ends the use of the box. */
  acceptDrops(element: HTMLElement): () => void {
    const target = new DropTarget(element, this.host.context, this.host.room.bind(this.host));
    target.onFiles = files => void this.attachImages(files);
    target.onAttachments = dropped => void this.collect(() => dropped);
    return () => {
      target.dispose();
      this.resizes.disconnect();
    };
  }

  focus(): void {
    this.input.focus();
  }

  /** Attach something to the question. */
  attach(attachments: readonly Attachment[]): void {
    this.setDraft({ text: this.input.value, attachments: joined(this.attachments, attachments) });
  }

  setAbilities(canSend: boolean, canStop: boolean): void {
    this.sendButton.disabled = !canSend;
    this.stopButton.disabled = !canStop;
  }

  private submit(): void {
    const text = this.input.value.trim();
    if (text !== '' && this.host.send({ text, attachments: this.attachments })) {
      this.setDraft(NO_DRAFT);
    }
    this.input.focus();
  }

  private onKey(event: KeyboardEvent): void {
    const isEmpty = this.input.value === '' && this.attachments.length === 0;
    if (isEnter(event)) {
      event.preventDefault();
      this.submit();
    } else if (event.key === 'Escape' && !this.stopButton.disabled) {
      event.preventDefault();
      this.host.stop();
    } else if (event.key === 'ArrowUp' && isEmpty && this.host.editLast()) {
      event.preventDefault();
    }
  }

  private onPaste(event: ClipboardEvent): void {
    const images = imageFiles(event.clipboardData);
    if (images.length > 0 && !event.clipboardData?.types.includes('text/plain')) {
      event.preventDefault(); // cells of a spreadsheet come as text and as an image
      void this.attachImages(images);
    }
  }

  private menuItems(): MenuItem[] {
    const image = {
      label: trans.__('Image…'),
      isEnabled: true,
      run: () => {
        const refusal = this.host.imageRefusal();
        this.host.report(refusal);
        if (refusal === '') {
          this.files.click();
        }
      }
    };
    const sources = this.host.context?.list() ?? [];
    const entries = sources.map(source => ({
      label: source.label,
      isEnabled: source.isEnabled(),
      run: () => void this.collect(() => source.collect(this.host.room()))
    }));
    return [...entries, image];
  }

  private async collect(run: () => Promise<readonly Attachment[]>): Promise<void> {
    this.host.report('');
    try {
      this.attach(await run());
    } catch (error) {
      this.host.report(messageOf(error));
    }
    this.input.focus();
  }

  private async attachImages(files: readonly File[]): Promise<void> {
    await this.collect(async () => {
      const refusal = this.host.imageRefusal();
      if (refusal !== '') {
        throw new Error(refusal);
      }
      const count = this.attachments.filter(({ kind }) => kind === 'image').length;
      if (count + files.length > MAX_IMAGES) {
        throw new Error(
          trans.__('A question can have at most %1 images. Remove some.', MAX_IMAGES)
        );
      }
      return Promise.all(files.map(imageFrom));
    });
  }

  private remove(attachment: Attachment): void {
    const attachments = this.attachments.filter(other => other !== attachment);
    this.setDraft({ text: this.input.value, attachments });
    this.input.focus();
  }

  private changed(): void {
    fitHeight(this.input);
    this.host.onChange(this.draft);
  }
}
