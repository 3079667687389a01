/** Markdown that grows: only what has changed is parsed and rendered again. */

import { CodeBlock, type Tools } from './codeBlock.js';
import { showTargets } from './links.js';
import { type Block, toBlocks } from './markdown.js';

interface Shown {
  readonly html: string;
  readonly nodes: readonly ChildNode[];
  /** The view of a block that is code; null for others. */
  readonly code: CodeBlock | null;
}

export class MarkdownView {
  private readonly blocks: Shown[] = [];
  /** The text of all blocks before the last one, which more text does not change. */
  private stable = '';
  /** Definitions of links. */
  private definitions = {};

  constructor(
    private readonly element: HTMLElement,
    private readonly tools: Tools
  ) {
    showTargets(element, text => tools.copy(text));
  }

  /**
   * Show a text. Blocks that are as before keep their elements, and a selection in them.
   *
   * `isComplete` renders all blocks again, because a link may be defined after its use.
   */
  show(markdown: string, isComplete = false): void {
    const text = markdown.replace(/\r\n?/g, '\n');
    if (isComplete || !text.startsWith(this.stable)) {
      this.stable = '';
      this.definitions = {};
    }
    const isAll = this.stable === '';
    const unchanged = isAll ? 0 : this.blocks.length - 1;
    const changed = text.slice(this.stable.length);
    const blocks = toBlocks(changed, this.definitions);
    this.replace(unchanged, blocks);
    const last = blocks.at(-1);
    this.stable =
      last === undefined ? '' : this.stable + changed.slice(0, lineStart(changed, last.line));
  }

  /** Remove everything in the element. */
  clear(): void {
    this.blocks.length = 0;
    this.stable = '';
    this.element.replaceChildren();
  }

  /** Show blocks after those before `start`. */
  private replace(start: number, blocks: readonly Block[]): void {
    let same = 0;
    while (same < blocks.length && this.keep(start + same, blocks[same])) {
      same += 1;
    }
    if (start + same === 0) {
      this.element.replaceChildren();
    }
    for (const { nodes } of this.blocks.splice(start + same)) {
      nodes.forEach(node => node.remove());
    }
    for (const block of blocks.slice(same)) {
      const shown = this.render(block);
      this.element.append(...shown.nodes);
      this.blocks.push(shown);
    }
  }

  /** Keep the elements of a block if it is as before, or is the same code with more text. */
  private keep(index: number, block: Block | undefined): boolean {
    const shown = this.blocks[index];
    if (shown === undefined || block === undefined) {
      return false;
    }
    const { code } = shown;
    if (code !== null && block.code !== null && code.language === block.code.language) {
      code.show(block.code.text);
      return true;
    }
    return shown.code === null && block.code === null && shown.html === block.html;
  }

  private render({ html, code }: Block): Shown {
    if (code !== null) {
      const view = new CodeBlock(code.language, this.tools);
      view.show(code.text);
      return { html, nodes: [view.element], code: view };
    }
    const template = document.createElement('template');
    template.innerHTML = html;
    for (const nested of template.content.querySelectorAll('pre > code')) {
      const language = /(?:^| )language-(\S+)/.exec(nested.className)?.[1] ?? '';
      const view = new CodeBlock(language, this.tools);
      view.show(nested.textContent);
      nested.parentElement?.replaceWith(view.element);
    }
    return { html, nodes: [...template.content.childNodes], code: null };
  }
}

/** Return the index of the first character of a line. */
function lineStart(text: string, line: number): number {
  let index = 0;
  for (let i = 0; i < line; i += 1) {
    index = text.indexOf('\n', index) + 1;
  }
  return index;
}
