/** The language of the code below a cell magic, as `assistant/cell_language.py` tells it. */

/** Magics of code in another language than the kernel's, and this language as in Markdown. */
const LANGUAGES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    bash: 'bash',
    file: '',
    html: 'html',
    javascript: 'javascript',
    js: 'javascript',
    latex: 'latex',
    markdown: 'markdown',
    perl: 'perl',
    r: 'r',
    ruby: 'ruby',
    sh: 'bash',
    sql: 'sql',
    svg: 'svg',
    sx: 'bash',
    system: 'bash',
    writefile: ''
  })
);

const MAGIC = /^\s*%%(\w+)/;

/** Return the language of the code of a cell: that of its magic, or else the kernel's. */
export function codeLanguage(source: string, kernel: string): string {
  const name = MAGIC.exec(source)?.[1]?.toLowerCase() ?? '';
  return LANGUAGES.get(name) ?? kernel;
}
