/**
 * Cuts a server-sent event stream into the data of its events.
 *
 * `EventSource` cannot send the notebook server's token, so the stream is read with `fetch`. The
 * rules are those of https://html.spec.whatwg.org/multipage/server-sent-events.html, "Interpreting
 * an event stream"; `event`, `id` and `retry` fields, which our server does not send, are skipped.
 */
export class EventStreamParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private data: string[] = [];

  /** The data of each event that `bytes` completes; bytes may be cut anywhere. */
  push(bytes: Uint8Array): string[] {
    this.rest += this.decoder.decode(bytes, { stream: true });
    // A carriage return at the very end may be the first half of a line end.
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    return lines.map(line => this.line(line)).filter(event => event !== null);
  }

  /** Take one line; an empty one ends an event. */
  private line(line: string): string | null {
    if (line.startsWith('data:')) {
      this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
    if (line !== '' || this.data.length === 0) {
      return null;
    }
    const event = this.data.join('\n');
    this.data = [];
    return event;
  }
}
