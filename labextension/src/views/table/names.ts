/** Long names of models on one line. */

/** Characters of the end of a name that are always shown, at most. */
const MAX_END = 14;

/** Names up to this length are not divided. */
const SHORT = 20;

/** Right-to-left scripts, whose parts would be shown in the wrong order. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/**
 * Divide a name into a start that may be cut and an end that is always shown.
 *
 * The end is the tag, ":Q4_K_M", or the last characters: it differs between models of one family.
 */
export function divideName(name: string): [start: string, end: string] {
  const characters = [...new Intl.Segmenter().segment(name)].map(({ segment }) => segment);
  if (characters.length <= SHORT || RIGHT_TO_LEFT.test(name)) {
    return [name, ''];
  }
  const colon = characters.lastIndexOf(':');
  const hasTag = colon > 0 && characters.length - colon <= MAX_END;
  const length = hasTag ? characters.length - colon : MAX_END / 2;
  return [characters.slice(0, -length).join(''), characters.slice(-length).join('')];
}
