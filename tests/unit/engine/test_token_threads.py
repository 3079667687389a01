"""Test the threads that answer requests about tokens, with a tokenizer that waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import DetokenizeRequest, Tokenized, TokenizeRequest
from a3s_power_jupyter.contract.types.tokens import pack_tokens, unpack_tokens
from a3s_power_jupyter.engine import tokens
from a3s_power_jupyter.engine.protocol import Ended, Loaded, Output
from a3s_power_jupyter.engine.token_threads import THREADS, TokenThreads

SOON = 30


class FakeEngine:
    """Has a tokenizer with a token for each character. It waits for "wait"."""

    info = Loaded(slots=1, num_ctx=16, device="cpu")

    def __init__(self) -> None:
        self.tokenizer = self
        self.go_on = threading.Event()

    def tokenize(self, text: str, **_options: bool) -> list[int]:
        if text == "wait":
            assert self.go_on.wait(SOON)
        return [ord(character) for character in text]

    def detokenize(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def piece(self, token: int) -> bytes:
        return chr(token).encode()


class Bench:
    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.messages: queue.SimpleQueue[msgspec.Struct] = queue.SimpleQueue()
        self.threads = TokenThreads(self.engine, self.messages.put)  # type: ignore[arg-type]

    def next(self) -> Any:
        return self.messages.get(timeout=SOON)


def test_a_request_has_its_item_and_one_end() -> None:
    bench = Bench()
    bench.threads.begin(1, TokenizeRequest("\u00e9a", with_pieces=True))
    output, ended = bench.next(), bench.next()
    packed = pack_tokens([233, 97])
    assert output == Output(1, Tokenized(packed, 16, ["\u00e9".encode(), b"a"]))
    assert output.item.count == 2
    assert [*unpack_tokens(packed)] == [233, 97]
    assert ended == Ended(1)
    assert not bench.threads.busy
    bench.threads.begin(2, DetokenizeRequest(packed))
    assert bench.next().item.text == "\u00e9a"


def test_a_cancelled_request_that_waits_for_a_thread_ends_without_an_item() -> None:
    bench = Bench()
    for id_ in range(THREADS):
        bench.threads.begin(id_, TokenizeRequest("wait"))
    bench.threads.begin(7, TokenizeRequest("a"))
    assert bench.threads.busy
    assert bench.threads.cancel(7)
    assert not bench.threads.cancel(8)
    bench.engine.go_on.set()
    found = [bench.next() for _ in range(2 * THREADS + 1)]
    assert [message for message in found if message.id == 7] == [Ended(7)]
    assert not bench.threads.busy


def test_long_texts_are_refused_before_they_are_tokenized() -> None:
    bench = Bench()
    bench.threads.begin(1, TokenizeRequest("a" * (tokens.MIN_MAX_TEXT + 1), param="content"))
    bench.threads.begin(2, TokenizeRequest("a" * (tokens.MAX_PIECES + 1), with_pieces=True))
    ends = {ended.id: ended.error for ended in (bench.next(), bench.next())}
    for id_, param in ((1, "content"), (2, "prompt")):
        assert ends[id_]["code"] == InvalidParameter.code
        assert ends[id_]["param"] == param
