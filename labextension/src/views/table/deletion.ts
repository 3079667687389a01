/** What the deletion of a model frees, and what it keeps. */

import { formatBytes } from '../format.js';
import { trans } from '../i18n.js';

/** A part of the reply of `GET /v1/models/{name}?deletion=true`. */
export interface Deletion {
  readonly freed_bytes: number;
  /** Files registered in place, which stay where they are. */
  readonly kept_paths?: readonly string[];
  /** Other models that use files of this one. */
  readonly shared_with?: readonly string[];
}

/** Return what is freed and what stays: "Frees 98.4 MB. ~/m.gguf stays." */
export function deletionText({ freed_bytes, kept_paths, shared_with }: Deletion): string {
  const parts = [
    freed_bytes > 0
      ? trans.__('Frees %1 on disk.', formatBytes(freed_bytes))
      : trans.__('Frees nothing on disk.')
  ];
  const [path, ...others] = kept_paths ?? [];
  if (path !== undefined) {
    const more = others.length > 0 ? trans._n('%1 more file', '%1 more files', others.length) : '';
    parts.push(more === '' ? trans.__('%1 stays.', path) : trans.__('%1 and %2 stay.', path, more));
  }
  if (shared_with !== undefined && shared_with.length > 0) {
    parts.push(trans.__('Files shared with %1 stay.', shared_with.join(', ')));
  }
  return parts.join(' ');
}
