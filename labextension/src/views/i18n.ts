/**
 * Translate the texts of the views.
 *
 * Write `trans.__('Delete %1?', name)` where a text is shown, not in constants of a module, which are
 * evaluated before JupyterLab's translations are there. Tools for language packs look for these calls.
 */

/** The part of JupyterLab's `TranslationBundle` that the views use. */
export interface Translations {
  /** Translate `text`, with `%1`, `%2` replaced by the arguments. */
  __(text: string, ...args: (string | number)[]): string;
  /** Translate the form of a text for `n`, which replaces `%1`. The arguments follow from `%2` on. */
  _n(one: string, many: string, n: number, ...args: (string | number)[]): string;
}

/** The texts as they are, for the widgets of notebooks. */
const untranslated: Translations = {
  __: (text, ...args) => fill(text, args),
  _n: (one, many, n, ...args) => fill(n === 1 ? one : many, [n, ...args])
};

function fill(text: string, args: readonly (string | number)[]): string {
  return text.replace(/%(\d+)/g, (_, number: string) => String(args[Number(number) - 1]));
}

let translations = untranslated;

/** Translates to the language of JupyterLab once `useTranslation` was called. */
export const trans: Translations = {
  __: (text, ...args) => translations.__(text, ...args),
  _n: (one, many, n, ...args) => translations._n(one, many, n, ...args)
};

/** Use JupyterLab's translations in the views of this bundle. */
export function useTranslation(bundle: Translations): void {
  translations = bundle;
}
