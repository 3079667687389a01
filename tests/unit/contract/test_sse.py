"""The reader of Server-Sent Events, on streams cut anywhere."""

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
def test_events_are_the_same_however_the_stream_is_cut(size: int) -> None:
    chunks = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]
    assert list(sse.data(chunks)) == EVENTS


def test_every_cut_in_two() -> None:
    for cut in range(len(STREAM)):
        assert list(sse.data([STREAM[:cut], STREAM[cut:]])) == EVENTS


def test_an_event_is_given_out_as_soon_as_it_is_whole() -> None:
    sent = []

    def chunks():
        for chunk in (b"data: 1\n", b"\n", b"data: 2\n\n"):
            sent.append(chunk)
            yield chunk

    events = sse.data(chunks())
    assert next(events) == b"1"
    assert len(sent) == 2
