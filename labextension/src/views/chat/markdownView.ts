/** Markdown that grows: only the blocks that have changed are rendered again. */

import { PAGE_HOST } from './host.js';
import { showTargets } from './links.js';
import { toBlocks } from './markdown.js';

interface Block {
  readonly html: string;
  readonly nodes: readonly ChildNode[];
}

export class MarkdownView {
  private readonly blocks: Block[] = [];

  constructor(private readonly element: HTMLElement) {
    showTargets(element, text => PAGE_HOST.copy(text));
  }

  /** Show `text`. Blocks that are as before keep their elements, and a selection in them. */
  show(text: string): void {
    const blocks = toBlocks(text);
    let same = 0;
    while (same < blocks.length && this.blocks[same]?.html === blocks[same]) {
      same += 1;
    }
    if (same === 0) {
      this.clear();
    }
    for (const { nodes } of this.blocks.splice(same)) {
      nodes.forEach(node => node.remove());
    }
    for (const html of blocks.slice(same)) {
      const template = document.createElement('template');
      template.innerHTML = html;
      const nodes = [...template.content.childNodes];
      this.element.append(...nodes);
      this.blocks.push({ html, nodes });
    }
  }

  /** Remove everything in the element. */
  clear(): void {
    this.blocks.length = 0;
    this.element.replaceChildren();
  }
}
