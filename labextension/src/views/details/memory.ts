/** Divide the memory of a device into the parts of a bar. */

import type { DeviceMemory, Estimate, Memory } from '../../api/types.js';
import { formatBytes } from '../format.js';
import { trans } from '../i18n.js';

export type PartKind = 'model' | 'other' | 'planned' | 'over' | 'free';

/** A part of a device's memory, in bytes. */
export interface Part {
  readonly kind: PartKind;
  /** Name of the model, for models and planned loads. */
  readonly name: string;
  readonly bytes: number;
}

/**
 * Return the parts of each device, with what a planned load would take.
 *
 * The model that would be loaded, and those that would be unloaded for it, are left out as they are
 * now. What does not fit is a part of the kind `over`.
 */
export function bars({ devices }: Memory, planned: Estimate | null): Part[][] {
  const gpus = devices.filter(({ kind }) => kind === 'gpu');
  const roomOn = (gpu: DeviceMemory) =>
    [...gone(planned)].reduce((sum, name) => sum + (gpu.models[name] ?? 0), gpu.free);
  const room = gpus.reduce((sum, gpu) => sum + roomOn(gpu), 0);
  return devices.map(device => {
    if (planned === null) {
      return partsOf(device, null, 0);
    }
    const share = room > 0 ? roomOn(device) / room : 1 / gpus.length;
    const bytes =
      device.kind === 'ram'
        ? planned.total - (gpus.length > 0 ? planned.gpu : 0)
        : planned.gpu * share;
    return partsOf(device, planned, bytes);
  });
}

/** Return the models of which the memory is free once the planned one is loaded. */
function gone(planned: Estimate | null): Set<string> {
  return new Set(planned === null ? [] : [planned.id, ...planned.evicts]);
}

function partsOf(device: DeviceMemory, planned: Estimate | null, bytes: number): Part[] {
  const leaving = gone(planned);
  const models = Object.entries(device.models)
    .filter(([name, size]) => !leaving.has(name) && size > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, size]): Part => ({ kind: 'model', name, bytes: size }));
  const used = models.reduce((sum, part) => sum + part.bytes, device.other);
  const free = Math.max(0, device.total - used);
  const fitting = Math.min(bytes, free);
  const all: Part[] = [
    ...models,
    { kind: 'other', name: '', bytes: device.other },
    { kind: 'planned', name: planned?.id ?? '', bytes: fitting },
    { kind: 'over', name: planned?.id ?? '', bytes: bytes - fitting },
    { kind: 'free', name: '', bytes: free - fitting }
  ];
  return all.filter(part => part.bytes > 0);
}

/** Return a part as text: "smollm2 285 MB", "free 12.1 GB". */
export function partText({ kind, name, bytes }: Part): string {
  const size = formatBytes(bytes);
  switch (kind) {
    case 'model':
      return `${name} ${size}`;
    case 'other':
      return trans.__('other programs %1', size);
    case 'planned':
      return trans.__('%1 would take %2', name, size);
    case 'over':
      return trans.__('%1 short', size);
    case 'free':
      return trans.__('free %1', size);
  }
}

/** Return the title of a device: "RAM", "CUDA0 (NVIDIA H100)". */
export function deviceTitle({ name, description }: DeviceMemory): string {
  return description ? `${name} (${description})` : name;
}
