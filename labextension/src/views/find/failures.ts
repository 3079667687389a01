/** What went wrong while looking for models, and what to do about it. */

import { messageOf, RequestError } from '../../api/transport.js';
import { trans } from '../i18n.js';

/** Kinds of failures that differ in what one can do. */
export type FailureKind = 'offline' | 'rate_limited' | 'token' | 'missing' | 'other';

export interface Failure {
  readonly kind: FailureKind;
  /** What is wrong. */
  readonly title: string;
  /** The message of the server. */
  readonly message: string;
  /** References of models that can be pulled instead. */
  readonly candidates: readonly string[];
  /** Seconds after which the request may succeed. */
  readonly retryAfter: number | undefined;
}

/** Describe a failed request for models of the hub. */
export function failureOf(error: unknown): Failure {
  const kind = kindOf(error);
  const facts = error instanceof RequestError ? error.facts : {};
  return {
    kind,
    title: titleOf(kind),
    message: messageOf(error),
    candidates: facts.candidates ?? [],
    retryAfter: facts.retryAfter
  };
}

/** Describe a repository that has nothing to pull. */
export function noWeights(): Failure {
  return {
    kind: 'missing',
    title: trans.__('Nothing to pull here'),
    message: trans.__(
      'This repository has no GGUF or safetensors weights that this server can use.'
    ),
    candidates: [],
    retryAfter: undefined
  };
}

function kindOf(error: unknown): FailureKind {
  if (!(error instanceof RequestError)) {
    return 'other';
  }
  const { code, status } = error;
  if (status === 429) {
    return 'rate_limited';
  }
  if (code === 'hub_unauthorized') {
    return 'token';
  }
  if (status === 404) {
    return 'missing';
  }
  return code === 'hub_error' ? 'offline' : 'other';
}

function titleOf(kind: FailureKind): string {
  switch (kind) {
    case 'offline':
      return trans.__('The hub does not answer');
    case 'rate_limited':
      return trans.__('The hub asks to wait');
    case 'token':
      return trans.__('The hub asks for a token');
    case 'missing':
      return trans.__('Not found');
    case 'other':
      return trans.__('That did not work');
  }
}
