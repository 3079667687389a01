/** What a page leaves for the one that the same tab loads next. */

/** The part of `sessionStorage` that is used. */
export type PageStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export interface PageState {
  /** Id of the page in answers. */
  readonly page: string;
  /** Id of the chat in the sidebar; '' for none. */
  readonly chat: string;
  /** Whether the page was generating an answer, with which the next one goes on. */
  readonly isAnswering: boolean;
}

const KEY = 'a3s-power-assistant';

/**
 * Return what the page before this one has left.
 *
 * It is removed, because a tab that is duplicated gets a copy of the storage: two pages with one id
 * would both go on with the same answer.
 */
export function takePageState(storage: PageStorage): PageState {
  const fresh = { page: Math.random().toString(36).slice(2), chat: '', isAnswering: false };
  try {
    const left = JSON.parse(storage.getItem(KEY) ?? 'null') as Partial<PageState> | null;
    storage.removeItem(KEY);
    const isValid = typeof left?.page === 'string' && typeof left.chat === 'string';
    return isValid
      ? { page: left.page, chat: left.chat, isAnswering: left.isAnswering === true }
      : fresh;
  } catch {
    return fresh; // the browser has no storage, or it has the value of another version
  }
}

export function leavePageState(storage: PageStorage, state: PageState): void {
  try {
    storage.setItem(KEY, JSON.stringify(state));
  } catch {
    // The browser has no storage, so the next page begins anew.
  }
}
