/** A block of code in an answer, with buttons to copy it or to do something else with it. */

import { messageOf } from '../../api/transport.js';
import { button, h } from '../dom.js';
import { trans } from '../i18n.js';
import { icon } from '../icons.js';
import type { CodeAction } from './codeAction.js';
import { Highlighter, languageTitle } from './highlight.js';

/** Milliseconds for which a button says that it has done its work. */
const DONE = 1_500;

/** What the buttons of a chat's messages and code need. */
export interface Tools {
  copy(text: string): Promise<void>;
  readonly codeActions: readonly CodeAction[];
  /** Show why something failed. */
  report(error: string): void;
  /** Tell screen readers what happened. */
  announce(text: string): void;
}

export class CodeBlock {
  readonly element: HTMLElement;
  private readonly pieces = h('span');
  private readonly rest = h('span');
  private readonly highlighter: Highlighter;
  private text = '';

  constructor(
    readonly language: string,
    tools: Tools
  ) {
    this.highlighter = new Highlighter(language);
    const buttons = [
      copyButton(trans.__('Copy code'), () => this.code, tools),
      ...tools.codeActions.map(action => this.actionButton(action, tools))
    ];
    const title = h('span', { class: 'a3s-code-language', dir: 'auto' }, languageTitle(language));
    const code = h('code', { dir: 'ltr' }, this.pieces, this.rest);
    this.element = h(
      'div',
      { class: 'a3s-code-block' },
      h('div', { class: 'a3s-code-bar' }, title, ...buttons),
      h('pre', { dir: 'ltr', tabindex: '0' }, code)
    );
  }

  /** Show code, which is usually longer than before. */
  show(text: string): void {
    if (text === this.text) {
      return;
    }
    this.text = text;
    const { isNew, pieces, rest } = this.highlighter.update(text);
    if (isNew) {
      this.pieces.replaceChildren();
    }
    for (const html of pieces) {
      this.pieces.append(fragment(html));
    }
    this.rest.replaceChildren(fragment(rest));
  }

  /** The code as it is copied, without the line break at its end. */
  private get code(): string {
    return this.text.replace(/\n$/, '');
  }

  private actionButton(action: CodeAction, tools: Tools): HTMLButtonElement {
    const element = iconButton(action.icon, action.label, () => {
      if (action.isEnabled()) {
        action.run(this.code, this.language).catch((error: unknown) => {
          tools.report(messageOf(error));
        });
      }
    });
    const update = () => {
      element.setAttribute('aria-disabled', String(!action.isEnabled()));
      element.title = action.describe();
    };
    element.addEventListener('pointerenter', update);
    element.addEventListener('focus', update);
    update();
    return element;
  }
}

/** Create a button with an icon, which its tooltip and label name. */
export function iconButton(
  name: Parameters<typeof icon>[0],
  label: string,
  onClick: () => void
): HTMLButtonElement {
  const attributes = {
    class: 'a3s-button a3s-icon-button',
    title: label,
    'aria-label': label
  };
  const element = button('', onClick, attributes);
  element.append(icon(name));
  return element;
}

/** Create a button that copies a text and shows that it has. */
export function copyButton(label: string, text: () => string, tools: Tools): HTMLButtonElement {
  const element = iconButton('copy', label, () => {
    tools.copy(text()).then(
      () => {
        element.replaceChildren(icon('check'));
        tools.announce(trans.__('Copied'));
        setTimeout(() => element.replaceChildren(icon('copy')), DONE);
      },
      (error: unknown) => tools.report(messageOf(error))
    );
  });
  return element;
}

function fragment(html: string): DocumentFragment {
  const template = document.createElement('template');
  template.innerHTML = html; // of the highlighter, which escapes the code
  return template.content;
}
