/** Check paths of files that a model asks for. */

/** Most characters of a path. */
const MAX_PATH = 1_000;

/**
 * Return a path below the root of the file browser.
 *
 * Throws an error for one that leads out of it, names another drive of JupyterLab, or is hidden.
 * Symbolic links lead where they lead in the file browser: only the server could tell.
 */
export function readablePath(path: string): string {
  if (path.length > MAX_PATH) {
    throw new Error(`The path has more than ${MAX_PATH} characters.`);
  }
  const parts = path.split('/').filter(part => part !== '' && part !== '.');
  if (parts.some(part => part === '..') || path.includes('\\') || path.includes('\0')) {
    throw new Error('The path leads out of the folder of the server.');
  }
  if (parts[0]?.includes(':')) {
    throw new Error('Only files of the server can be read, no other drives.');
  }
  if (parts.some(part => part.startsWith('.'))) {
    throw new Error('Hidden files cannot be read.');
  }
  return parts.join('/');
}
