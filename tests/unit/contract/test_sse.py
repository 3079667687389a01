"""Parse Server-Sent Events from streams split at any byte."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract import sse

STREAM = (
    b": hello\n\n"
    b'data: {"text":"a\xe2\x80\xa8b \xc2\x85 \xf0\x9f\x99\x82"}\n\n'
    b"event: ignored\r\ndata:no space\r\n\r\n"
    b"data: two\ndata: lines\n\n"
    b"\n\n"
    b"data: [DONE]\n\n"
    b"data: cut off"
)
EVENTS = [
    b'{"text":"a\xe2\x80\xa8b \xc2\x85 \xf0\x9f\x99\x82"}',
    b"no space",
    b"two\nlines",
    b"[DONE]",
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(STREAM)])
def test_events_do_not_depend_on_how_the_stream_is_split(size: int) -> None:
    chunks = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]
    assert list(sse.iter_events(chunks)) == EVENTS


def test_a_stream_split_at_any_byte() -> None:
    for cut in range(len(STREAM)):
        assert list(sse.iter_events([STREAM[:cut], STREAM[cut:]])) == EVENTS


def test_an_event_is_yielded_as_soon_as_it_is_complete() -> None:
    sent = []

    def chunks():
        for chunk in (b"data: 1\n", b"\n", b"data: 2\n\n"):
            sent.append(chunk)
            yield chunk

    events = sse.iter_events(chunks())
    assert next(events) == b"1"
    assert len(sent) == 2


def test_pending_bytes_count_the_incomplete_event() -> None:
    parser = sse.EventParser()
    assert parser.feed(b"data: 12345\nda") == []
    assert parser.pending_bytes == 5 + 1 + 2
    assert parser.feed(b"ta: 6\n\n") == [b"12345\n6"]
    assert parser.pending_bytes == 0
    parser.feed(b"data:\n" * 1000)  # empty lines take memory, too
    assert parser.pending_bytes == 1000
