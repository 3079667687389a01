"""Frames: round trips, limits and truncated streams."""

from __future__ import annotations

import io

import msgspec
import pytest
from msgspec.msgpack import Decoder

from a3s_power_jupyter.ipc import framing
from a3s_power_jupyter.ipc.framing import encode, read_messages


class Text(msgspec.Struct, frozen=True, tag="text"):
    text: str


class Number(msgspec.Struct, frozen=True, tag="number"):
    value: float


class Other(msgspec.Struct, frozen=True, tag="other"):
    pass


Message = Text | Number
DECODER: Decoder[Message] = Decoder(Message)
MESSAGES = [Text("ä"), Number(0.5), Text("")]
STREAM = b"".join(map(encode, MESSAGES))


def read(stream: bytes) -> list[Message]:
    return [*read_messages(io.BytesIO(stream), DECODER)]


def test_messages_round_trip() -> None:
    assert read(STREAM) == MESSAGES


@pytest.mark.parametrize("cut", range(len(STREAM)))
def test_a_truncated_last_frame_is_dropped(cut: int) -> None:
    complete = read(STREAM[:cut])
    assert complete == MESSAGES[: len(complete)]
    assert len(b"".join(map(encode, complete))) <= cut


@pytest.mark.parametrize("stream", [b"a line of text\n", encode(Other()), b"\x01\0\0\0\xc1"])
def test_anything_but_a_message_is_refused(stream: bytes) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        read(encode(MESSAGES[0]) + stream)


def test_the_size_of_a_frame_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_FRAME_BYTES", 40)
    assert read(encode(Text("x" * 20))) == [Text("x" * 20)]
    with pytest.raises(ValueError, match="exceeds the limit of 40"):
        encode(Text("x" * 40))
