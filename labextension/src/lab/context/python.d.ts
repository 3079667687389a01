/** Python files that are imported as text: `import source from './file.py' with { type: 'text' }`. */
declare module '*.py' {
  const source: string;
  export default source;
}
