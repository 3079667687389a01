/** The path of a search of the hub. */

/** Return the path of a page of results; `cursor` is null for the first one. */
export function searchPath(
  query: string,
  format: string,
  sort: string,
  cursor: string | null
): string {
  const parameters = new URLSearchParams({ query, format, sort });
  if (cursor !== null) {
    parameters.set('cursor', cursor);
  }
  return `hub/search?${parameters}`;
}
