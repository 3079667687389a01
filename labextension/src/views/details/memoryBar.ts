/** The memory of the machine and of each GPU, as stacked bars. */

import type { Estimate, Memory } from '../../api/types.js';
import type { Store } from '../../state/store.js';
import { h } from '../dom.js';
import { formatBytes } from '../format.js';
import { trans } from '../i18n.js';
import { bars, deviceTitle, type Part, partText } from './memory.js';
import { plannedLoad } from './plannedLoad.js';

/** Number of shades that tell the models of a bar apart. */
const SHADES = 4;

export class MemoryBar {
  readonly element = h('div', { class: 'a3s-memory' });
  private memory: Memory | null = null;
  private planned: Estimate | null = null;
  private shown = '';
  private readonly unsubscribe: (() => void)[];

  constructor(store: Store) {
    this.unsubscribe = [
      store.subscribe(({ memory }) => {
        this.memory = memory;
        this.draw();
      }),
      plannedLoad(store).subscribe(estimate => {
        this.planned = estimate;
        this.draw();
      })
    ];
  }

  dispose(): void {
    this.unsubscribe.forEach(unsubscribe => unsubscribe());
  }

  private draw(): void {
    if (this.memory === null) {
      return; // before the first event
    }
    const { devices, limit } = this.memory;
    const parts = bars(this.memory, this.planned);
    // Sizes that are shown alike need no new elements, which would close an open tooltip.
    const key = JSON.stringify([limit, parts.map(bar => bar.map(partText))]);
    if (key === this.shown) {
      return;
    }
    this.shown = key;
    this.element.replaceChildren(
      ...devices.map((device, i) => {
        const bar = parts[i] ?? [];
        const title = deviceTitle(device);
        const total = trans.__('%1 of %2 used', usedText(bar), formatBytes(device.total));
        return h(
          'section',
          { class: 'a3s-memory-device', 'aria-label': title },
          h(
            'div',
            { class: 'a3s-memory-head' },
            h('span', { class: 'a3s-memory-title', dir: 'auto' }, title),
            h('span', { class: 'a3s-quiet' }, total)
          ),
          createBar(bar),
          createLegend(bar)
        );
      }),
      ...(limit === undefined
        ? []
        : [h('div', { class: 'a3s-quiet' }, trans.__('Models may use %1.', formatBytes(limit)))])
    );
  }
}

function usedText(bar: readonly Part[]): string {
  const used = bar.filter(({ kind }) => kind === 'model' || kind === 'other');
  return formatBytes(used.reduce((sum, part) => sum + part.bytes, 0));
}

/** Create the bar. The legend has the same as text, so the bar is hidden from screen readers. */
function createBar(bar: readonly Part[]): HTMLElement {
  const element = h('div', { class: 'a3s-bar', 'aria-hidden': 'true' });
  bar.forEach((part, i) => {
    const piece = h('span', { class: pieceClass(part, i), title: partText(part) });
    piece.style.flexGrow = String(part.bytes);
    element.append(piece);
  });
  return element;
}

function createLegend(bar: readonly Part[]): HTMLElement {
  const items = bar.map((part, i) =>
    h(
      'li',
      { class: `a3s-legend-${part.kind}` },
      h('span', { class: `${pieceClass(part, i)} a3s-swatch`, 'aria-hidden': 'true' }),
      h('bdi', {}, partText(part))
    )
  );
  return h('ul', { class: 'a3s-legend a3s-quiet' }, ...items);
}

function pieceClass({ kind }: Part, index: number): string {
  const shade = kind === 'model' ? ` a3s-piece-shade${index % SHADES}` : '';
  return `a3s-piece a3s-piece-${kind}${shade}`;
}
