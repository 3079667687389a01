"""Reader of Server-Sent Events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def data(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data of each event of a byte stream that may be cut anywhere.

    Splits at line feeds only: JSON may hold U+2028 or U+0085, where `str.splitlines` would cut.
    Comments and fields other than ``data`` are skipped, and an event that the stream's end cut
    short is dropped, as https://html.spec.whatwg.org/multipage/server-sent-events.html has it.
    """
    rest = b""
    lines_of_event: list[bytes] = []
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if line.startswith(b"data:"):
                lines_of_event.append(line[5:].removeprefix(b" "))
            elif not line and lines_of_event:
                yield b"\n".join(lines_of_event)
                lines_of_event.clear()
