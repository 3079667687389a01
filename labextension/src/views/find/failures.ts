/** What went wrong while looking for models, and what to do about it. */

import { messageOf, RequestError } from '../../api/transport.js';
import { trans } from '../i18n.js';

/** Kinds of failures that differ in what one can do; `empty` is a search without results. */
export type FailureKind =
  'offline' | 'rate_limited' | 'gated' | 'bad_token' | 'missing' | 'empty' | 'hub' | 'other';

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
  /** Whether the hub may have a private model where it says that it has none. */
  readonly mayBePrivate: boolean;
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
    retryAfter: facts.retryAfter,
    // With the other code, the hub has looked with a token.
    mayBePrivate:
      kind === 'missing' && error instanceof RequestError && error.code === 'hub_unauthorized'
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
    retryAfter: undefined,
    mayBePrivate: false
  };
}

/** Say that a file dialog was closed without a choice; the root of the files is no model. */
export function nothingChosen(): Failure {
  return {
    kind: 'empty',
    title: trans.__('No file is chosen'),
    message: trans.__('Choose a .gguf file, or the folder of a safetensors model.'),
    candidates: [],
    retryAfter: undefined,
    mayBePrivate: false
  };
}

function kindOf(error: unknown): FailureKind {
  if (!(error instanceof RequestError)) {
    return 'other';
  }
  const { code, status, facts } = error;
  if (code === 'hub_error') {
    switch (facts.reason) {
      case 'offline':
      case 'unreachable':
        return 'offline';
      case 'rate_limited':
        return 'rate_limited';
      default:
        return 'hub';
    }
  }
  if (code === 'hub_unauthorized') {
    switch (facts.reason) {
      case 'bad_token':
        return 'bad_token';
      case 'not_found':
        return 'missing';
      default:
        return 'gated';
    }
  }
  return status === 404 || code === 'invalid_reference' ? 'missing' : 'other';
}

/** Whether another token may help. */
export function needsToken({ kind, mayBePrivate }: Failure): boolean {
  return kind === 'gated' || kind === 'bad_token' || mayBePrivate;
}

function titleOf(kind: FailureKind): string {
  switch (kind) {
    case 'offline':
      return trans.__('The hub cannot be reached');
    case 'rate_limited':
      return trans.__('Too many requests to the hub');
    case 'gated':
      return trans.__('The hub restricts access to this model');
    case 'bad_token':
      return trans.__('The hub rejected the token');
    case 'missing':
    case 'empty':
      return trans.__('Not found');
    case 'hub':
      return trans.__('The hub failed');
    case 'other':
      return trans.__('That did not work');
  }
}
