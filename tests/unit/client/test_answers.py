"""Test answers and streams of answers."""

from __future__ import annotations

import copy
import json
import pickle
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from a3s_power_jupyter.client import chat
from a3s_power_jupyter.client.answers import Reply
from a3s_power_jupyter.client.chat import ChatStream
from a3s_power_jupyter.client.connection import EventStream
from a3s_power_jupyter.client.embeddings import batches
from a3s_power_jupyter.client.usage import Usage
from a3s_power_jupyter.contract.errors import ConnectionLost, WorkerDied
from a3s_power_jupyter.contract.types import Reading, Timings

CHAT = {
    "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 3},
    },
}


def chunk(content: str | None = None, reason: str | None = None) -> dict:
    delta = {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def stream_of(*events: object, done: bool = True, progress: Any = None) -> ChatStream:
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    if done:
        lines.append(b"data: [DONE]\n\n")
    response = httpx2.Response(200, content=iter(lines))
    return ChatStream(EventStream(response), "m", progress, started=0.0)


def test_a_reply_is_a_string_with_metadata() -> None:
    reply = Reply.from_wire(CHAT, "m")
    assert reply == "Paris."
    assert isinstance(reply, str)
    assert reply.upper() == "PARIS."
    assert type(reply.text) is str
    assert (reply.model, reply.finish_reason) == ("m", "stop")
    assert reply.usage == Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=3)
    assert reply.raw is CHAT
    assert reply.statistics == "2 tokens · 3 of 7 prompt tokens cached"


def test_a_reply_is_displayed_without_raw_html_and_images() -> None:
    shown = Reply("**a** <script>b</script> ![c](https://c.example/c.png)")._repr_html_()
    assert "<strong>a</strong> &lt;script&gt;b&lt;/script&gt;" in shown
    assert "<img" not in shown
    assert not hasattr(Reply, "_repr_markdown_")


def test_a_completion_and_a_reply_without_text() -> None:
    assert (
        Reply.from_wire({"choices": [{"text": " blue", "finish_reason": "length"}]}, "m") == " blue"
    )
    without_text = {"choices": [{"message": {"content": None}, "finish_reason": "tool_calls"}]}
    assert Reply.from_wire(without_text, "m") == ""


WIRE_TIMINGS = {
    "prompt_n": 4,
    "prompt_ms": 8.0,
    "predicted_n": 2,
    "predicted_ms": 20.0,
    "cache_n": 3,
    "predicted_per_second": 100.0,
}


def test_a_reply_has_timings() -> None:
    timings = Reply.from_wire({**CHAT, "timings": WIRE_TIMINGS}, "m").timings
    assert timings == Timings(4, 8.0, 2, 20.0, 3)
    assert (timings.prompt_per_second, timings.predicted_per_second) == (500.0, 100.0)


@pytest.mark.parametrize(
    "timings",
    [None, 3, [], {}, {"queue": 0.1}, {**WIRE_TIMINGS, "prompt_ms": -1}, {"prompt_n": "many"}],
)
def test_timings_of_another_kind_are_left_out(timings: object) -> None:
    assert Reply.from_wire({**CHAT, "timings": timings}, "m").timings is None
    stream = stream_of({**chunk("Paris", "stop"), "timings": timings, "prompt_progress": timings})
    assert list(stream) == ["Paris"]
    assert stream.reply.timings is None


def test_a_stream_says_how_to_read_it() -> None:
    stream = stream_of(chunk("Paris", "stop"))
    assert repr(stream) == "<ChatStream of m: iterate over it to get the text>"
    assert list(stream) == ["Paris"]
    assert repr(stream) == "<ChatStream of m: stop>"
    assert repr(EventStream(httpx2.Response(200))) == (
        "<EventStream: iterate over it to get the events>"
    )


def test_a_stream_reports_progress_and_then_has_timings() -> None:
    progress = {"total": 7, "cache": 3, "processed": 5, "time_ms": 125.0}
    readings: list[Reading] = []
    stream = stream_of(
        {**chunk(), "prompt_progress": progress},
        chunk("Paris"),
        {**chunk(reason="stop"), "timings": WIRE_TIMINGS},
        progress=readings.append,
    )
    assert list(stream) == ["Paris"]
    assert readings == [Reading(5, 7, 3, 125.0)]
    assert stream.reply.timings == Timings(4, 8.0, 2, 20.0, 3)


def pickled(value: object) -> object:
    return pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_reply_can_be_copied_and_pickled(copied) -> None:
    copy_of_reply = copied(Reply.from_wire(CHAT, "m"))
    assert type(copy_of_reply) is Reply
    assert copy_of_reply == "Paris."
    assert copy_of_reply.usage.cached_tokens == 3
    assert copy_of_reply.raw == CHAT


def test_a_stream_yields_text_and_then_has_the_reply() -> None:
    usage = {"choices": [], "usage": CHAT["usage"]}
    stream = stream_of(chunk(), chunk("Par"), chunk("is."), chunk(reason="stop"), usage)
    assert list(stream) == ["Par", "is."]
    assert stream.reply == "Paris."
    assert stream.reply.finish_reason == "stop"
    assert stream.reply.usage.completion_tokens == 2


def test_a_stream_measures_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.25, 0.5, 1.0, 2.0])
    monkeypatch.setattr(chat, "time", SimpleNamespace(monotonic=lambda: next(times)))
    reasoning = {"choices": [{"delta": {"reasoning_content": "Hm."}}]}
    last = {"choices": [], "usage": CHAT["usage"], "timings": WIRE_TIMINGS}
    stream = stream_of(chunk(), reasoning, chunk("Paris.", "stop"), last)
    assert list(stream) == ["Paris."]
    assert stream.reply.first_token_seconds == 0.5
    assert stream.reply.seconds == 2.0
    assert stream.reply.timings == Timings(4, 8.0, 2, 20.0, 3)


def test_a_stream_closed_early_has_the_counts_so_far() -> None:
    thought = {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}}]}
    first = {**WIRE_TIMINGS, "predicted_n": 1}
    events = ({**thought, "timings": first}, {**chunk("Par"), "timings": WIRE_TIMINGS}, chunk("is"))
    with stream_of(*events) as stream:
        next(stream)
    assert stream.reply.usage == Usage(7, 2, cached_tokens=3, reasoning_tokens=1)
    assert stream.reply.statistics.startswith("interrupted · 2 tokens · 100 tokens/s · ")
    assert stream.reply.statistics.endswith(" to first token · 3 of 7 prompt tokens cached")


def test_a_stream_closed_before_its_first_token_has_the_counts_of_the_prompt() -> None:
    progress = {"total": 7, "cache": 3, "processed": 5, "time_ms": 125.0}

    def interrupt(reading: Reading) -> None:
        raise KeyboardInterrupt

    stream = stream_of({**chunk(), "prompt_progress": progress}, chunk("No"), progress=interrupt)
    with pytest.raises(KeyboardInterrupt), stream:
        next(stream)
    assert stream.reply.usage == Usage(7, 0, cached_tokens=3)
    assert stream.reply.statistics.startswith("interrupted · 0 tokens in ")
    assert stream.reply.statistics.endswith(" · 3 of 7 prompt tokens cached")


def test_a_stream_closed_early_without_counts_has_the_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = stream_of(chunk(), chunk("Par"), chunk("is"))
    assert stream.reply.statistics == ""  # nothing is known
    times = iter([0.2, 0.5, 12.0])
    monkeypatch.setattr(chat, "time", SimpleNamespace(monotonic=lambda: next(times)))
    next(stream)
    assert stream.reply.statistics == "interrupted after 0.5 s · 0.5 s to first token"
    next(stream)
    assert stream.reply.statistics == "interrupted after 12 s · 0.5 s to first token"
    unanswered = Reply("", "m", "interrupted", seconds=0.2)
    assert unanswered.statistics == "interrupted after 0.2 s"


def test_a_stream_closed_early_is_interrupted() -> None:
    with stream_of(chunk("Par"), chunk("is."), chunk(reason="stop")) as stream:
        assert next(stream) == "Par"
    assert stream.reply == "Par"
    assert stream.reply.finish_reason == "interrupted"
    assert stream.reply.usage is None
    assert list(stream) == []


def test_an_unread_stream_can_be_closed() -> None:
    stream = stream_of(chunk("Par"))
    stream.close()
    assert list(stream) == []


def test_an_error_inside_a_stream_is_raised() -> None:
    error = WorkerDied("The worker was killed by SIGSEGV.")
    stream = stream_of(chunk("Par"), {"error": error.to_wire()}, done=False)
    assert next(stream) == "Par"
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        next(stream)
    assert stream.reply == "Par"


def test_a_stream_without_a_finish_reason_is_an_error() -> None:
    stream = stream_of(chunk("Par"), done=False)
    with pytest.raises(ConnectionLost, match="before the answer was complete"):
        list(stream)


@pytest.mark.parametrize(
    ("texts", "sizes"),
    [("a" * 5000, [5000]), ([], [0]), (["a"] * 2048, [2048]), (["a"] * 5000, [2048, 2048, 904])],
)
def test_long_lists_of_texts_are_split(texts: str | list[str], sizes: list[int]) -> None:
    split = batches(texts)
    assert [len(batch) for batch in split] == sizes
    assert [text for batch in split for text in batch] == [*texts]
