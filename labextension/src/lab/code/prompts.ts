/** Fill the prompts of the assistant with code and errors, as `assistant/prompts.py` does. */

/** Templates of two messages, of `GET /v1/assistant/prompts`. */
export interface Prompt {
  /** Empty for no system message. */
  readonly system: string;
  readonly user: string;
}

export type PromptName =
  'explain_error' | 'fix_error' | 'explain' | 'improve' | 'document' | 'write_tests' | 'write_code';

export type Prompts = Readonly<Record<PromptName, Prompt>>;

/**
 * What replaces the words in braces. What is missing is empty.
 *
 * `before` is in fences already (see `fencedPassages`), as its parts have languages of their own.
 */
export type PromptValues = Readonly<Partial<Record<Word, string>>>;

type Word = 'code' | 'before' | 'after' | 'error' | 'question' | 'language';

/** Languages as they are written in sentences; others stay as they are. */
const LANGUAGES: ReadonlyMap<string, string> = new Map([
  ['bash', 'Bash'],
  ['css', 'CSS'],
  ['html', 'HTML'],
  ['javascript', 'JavaScript'],
  ['json', 'JSON'],
  ['julia', 'Julia'],
  ['latex', 'LaTeX'],
  ['markdown', 'Markdown'],
  ['python', 'Python'],
  ['r', 'R'],
  ['ruby', 'Ruby'],
  ['rust', 'Rust'],
  ['scala', 'Scala'],
  ['sql', 'SQL'],
  ['typescript', 'TypeScript'],
  ['yaml', 'YAML']
]);

const CODE: readonly string[] = ['code', 'after'];
const WORD = /\{(code|before|after|error|question|language)\}/g;
/** The language and the space after it are left out if it is not known. */
const LANGUAGE_WORD = /\{language\} ?/g;
const INFO = /^[\w+#.-]{1,40}$/;
const PARAGRAPHS = /\n(?:[ \t]*\n)+/;

/** Code in a language as in Markdown; '' if it is not known. */
export interface Passage {
  readonly language: string;
  readonly code: string;
}

export interface ChatMessage {
  readonly role: 'system' | 'user';
  readonly content: string;
}

/** Return the messages of a request: the system message, if there is one, and the user's. */
export function messagesOf(prompt: Prompt, values: PromptValues): ChatMessage[] {
  const system = fill(prompt.system, values);
  const user: ChatMessage = { role: 'user', content: fill(prompt.user, values) };
  return system ? [{ role: 'system', content: system }, user] : [user];
}

/**
 * Replace the words in braces, and leave out the paragraphs that have an empty one.
 *
 * The values are put in as they are: braces in them are not replaced. An unknown language is only
 * left out itself.
 */
export function fill(template: string, values: PromptValues): string {
  const language = stripped(values.language ?? '');
  const known = language ? template : template.replace(LANGUAGE_WORD, '');
  const value = (_: string, word: Word) => {
    const text = values[word] ?? '';
    if (CODE.includes(word)) {
      return fenced(text, language);
    }
    if (word === 'language') {
      return LANGUAGES.get(language) ?? language;
    }
    return word === 'error' ? fenced(text) : stripped(text);
  };
  const isComplete = (paragraph: string) =>
    [...paragraph.matchAll(WORD)].every(([, word]) => stripped(values[word as Word] ?? '') !== '');
  return stripped(known)
    .split(PARAGRAPHS)
    .filter(isComplete)
    .map(paragraph => paragraph.replace(WORD, value))
    .join('\n\n');
}

/** Return code in Markdown fences, one for each run of passages in the same language. */
export function fencedPassages(passages: readonly Passage[]): string {
  const runs: Passage[] = [];
  for (const { language, code } of passages.filter(passage => stripped(passage.code) !== '')) {
    const last = runs.at(-1);
    if (last?.language === language) {
      runs[runs.length - 1] = { language, code: `${last.code}\n\n${code}` };
    } else {
      runs.push({ language, code });
    }
  }
  return runs.map(({ language, code }) => fenced(code, language)).join('\n\n');
}

/** Return `text` in a Markdown fence that is longer than any run of backticks in it. */
export function fenced(text: string, language = ''): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(run => run.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  const info = INFO.test(language) ? language : '';
  return [fence + info, text.replace(/^[\r\n]+|[\r\n]+$/g, ''), fence].join('\n');
}

/** Remove the space that Python's and JavaScript's functions both count as such. */
function stripped(text: string): string {
  return text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
}
