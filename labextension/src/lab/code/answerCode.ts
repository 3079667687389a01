/** Find the code in the answer of a model. */

import { trans } from '../../views/i18n.js';

export interface FoundCode {
  /** The code; null if the answer has none that can be used. */
  readonly code: string | null;
  /** What the user should know about it, as a sentence; '' for nothing. */
  readonly note: string;
}

interface Block {
  readonly language: string;
  readonly code: string;
}

/** Names of one language in fences. */
const NAMES: readonly (readonly string[])[] = [
  ['python', 'py', 'python3', 'ipython', 'ipython3', 'pycon'],
  ['javascript', 'js', 'node', 'jsx'],
  ['typescript', 'ts', 'tsx'],
  ['bash', 'sh', 'shell', 'zsh', 'console'],
  ['markdown', 'md', 'gfm'],
  ['c++', 'cpp', 'cxx'],
  ['julia', 'jl'],
  ['ruby', 'rb'],
  ['rust', 'rs'],
  ['yaml', 'yml']
];

/** Languages whose texts are prose, so an answer without a fence is one. */
const PROSE = ['markdown', 'html', 'latex'];

/** How a line of code may begin. */
const CODE_LINE =
  /^(?:[ \t]|$|[#@%!)\]}]|\/\/|(?:import|from|def|class|for|while|if|elif|else|try|except|finally|with|return|raise|assert|async|await|pass|print|let|const|var|function|using|library|end)\b|[\w.[\]'", \t*]+(?:[-+*/%&|^:]?=(?!=)|<-)|[\w.]+\()/;

/** How a traceback begins in a block: with a heading, a frame, or only the error. */
const TRACEBACK =
  /^(?:(?:-{5,}\n)?(?:[\w.]+ +)?Traceback \(most recent call last\)|[ \t]*File "[^"\n]*", line \d|(?:Cell|Input) In ?\[\d+\]|[A-Z]\w*(?:Error|Exception|Interrupt)(?::.*)?(?:\n[ \t]+at .*)*$)/;

/**
 * Return the code of an answer, for code in `language`; '' for any.
 *
 * Of several blocks in the language, it is the longest, without quoted tracebacks. An answer
 * without a fence is code only if all its lines look so.
 */
export function findCode(answer: string, language: string): FoundCode {
  const text = withoutThoughts(answer);
  const all = blocksOf(text);
  if (all.length === 0) {
    const isCode = PROSE.includes(family(language)) ? text.trim() !== '' : looksLikeCode(text);
    return { code: isCode ? trimmed(text) : null, note: '' };
  }
  const blocks = all.filter(block => !TRACEBACK.test(block.code));
  const usable = blocks.filter(block => isOf(block.language, language) && block.code !== '');
  if (usable.length === 0) {
    const others = blocks.filter(block => !isOf(block.language, language));
    const names = [...new Set(others.map(block => block.language))].join(', ');
    const note =
      names === '' ? '' : trans.__('The answer has no code in %1, but in %2.', language, names);
    return { code: null, note };
  }
  const longest = usable.reduce((a, b) => (b.code.length > a.code.length ? b : a));
  const note =
    blocks.length === 1
      ? ''
      : trans.__('The answer has %1 blocks of code. This is the longest.', blocks.length);
  return { code: longest.code, note };
}

/** Return the code of an answer that is being written; null if there is none yet. */
export function findGrowingCode(answer: string, language: string): string | null {
  const { code } = findCode(answer, language);
  return code === null ? null : code.replace(/(?:^|\n) {0,3}[`~]{1,2}$/, ''); // half a fence
}

/** Remove thoughts that a model writes into its answer, also those that have not ended. */
export function withoutThoughts(answer: string): string {
  return answer.replace(/^\s*<(think|thinking)>[\s\S]*?(?:<\/\1>|$)/, '');
}

/** Return the fenced blocks of a Markdown text. One that has not ended is a block, too. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; indent: number; language: string; lines: string[] } | null = null;
  for (const line of text.split(/\r?\n/)) {
    const [, space = '', fence = '', info = ''] = /^( {0,3})(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === null) {
      if (fence !== '' && !(fence.startsWith('`') && info.includes('`'))) {
        const language = /^[{.]*([\w+#-]*)/.exec(info.trim())?.[1]?.toLowerCase() ?? '';
        open = { fence, indent: space.length, language, lines: [] };
      }
    } else if (fence.startsWith(open.fence) && info.trim() === '') {
      blocks.push({ language: open.language, code: trimmed(open.lines.join('\n')) });
      open = null;
    } else {
      open.lines.push(line.replace(new RegExp(`^ {0,${open.indent}}`), ''));
    }
  }
  return open === null
    ? blocks
    : [...blocks, { language: open.language, code: trimmed(open.lines.join('\n')) }];
}

function isOf(block: string, language: string): boolean {
  return block === '' || language === '' || family(block) === family(language);
}

function family(language: string): string {
  const name = language.toLowerCase();
  return NAMES.find(names => names.includes(name))?.[0] ?? name;
}

function looksLikeCode(text: string): boolean {
  const lines = trimmed(text).split('\n');
  return (
    text.trim() !== '' && lines.every(line => CODE_LINE.test(line) && !/^[A-Z].*\.$/.test(line))
  );
}

/** Remove the empty lines at both ends. */
function trimmed(text: string): string {
  return text.replace(/^(?:[ \t]*\r?\n)+/, '').trimEnd();
}
