"""Incremental parser for Server-Sent Events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class EventParser:
    """Split a stream of bytes into the data of its events.

    Lines end at line feeds only, because JSON may contain U+2028 and U+0085, which
    `str.splitlines` treats as line ends. Comments and fields other than ``data`` are skipped, and
    an incomplete event at the end of the stream is dropped. Format:
    https://html.spec.whatwg.org/multipage/server-sent-events.html.
    """

    def __init__(self) -> None:
        self._partial_line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0  # including the line ends: empty lines take memory, too

    @property
    def pending_bytes(self) -> int:
        """Number of bytes received of the incomplete last event."""
        return len(self._partial_line) + self._data_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """Parse the next bytes of the stream, and return the data of each completed event."""
        self._partial_line += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = self._partial_line.split(b"\n")
        self._partial_line = rest
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(bytes(line[5:].removeprefix(b" ")))
                self._data_bytes += len(self._data[-1]) + 1
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._data_bytes = 0
        return events


def iter_events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data of each event as soon as it is complete."""
    parser = EventParser()
    for chunk in chunks:
        yield from parser.feed(chunk)
