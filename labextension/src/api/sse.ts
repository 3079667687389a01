/** Read server-sent events with `fetch`, because `EventSource` cannot send the server's token. */

import { errorInBody, errorOfResponse } from './transport.js';

/**
 * Yield the JSON events of a streamed response, up to its end or to `[DONE]`.
 *
 * `onChunk` is called for every chunk received, keep-alive comments included. Rejects with a
 * `RequestError` if the response has an error status or an event is an error.
 */
export async function* readEvents(
  response: Response,
  onChunk?: () => void
): AsyncGenerator<unknown, void> {
  if (!response.ok || response.body === null) {
    throw await errorOfResponse(response);
  }
  const parser = new EventStreamParser();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      onChunk?.();
      for (const data of parser.push(value)) {
        if (data === '[DONE]') {
          return;
        }
        const event: unknown = JSON.parse(data);
        const error = errorInBody(event);
        if (error !== null) {
          throw error;
        }
        yield event;
      }
    }
  } finally {
    await reader.cancel();
  }
}

/**
 * Incremental parser of an event stream, returning the data of each event.
 *
 * Implements https://html.spec.whatwg.org/multipage/server-sent-events.html, "Interpreting an event
 * stream", without the `event`, `id` and `retry` fields, which our server does not send.
 */
export class EventStreamParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private data: string[] = [];

  /** Return the data of the events that `bytes` completes; bytes may be split anywhere. */
  push(bytes: Uint8Array): string[] {
    this.rest += this.decoder.decode(bytes, { stream: true });
    // A carriage return at the very end may be the first half of a line end.
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    return lines.map(line => this.parseLine(line)).filter(event => event !== null);
  }

  /** Process a line. Returns the data of the event if the line ends one, else null. */
  private parseLine(line: string): string | null {
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
