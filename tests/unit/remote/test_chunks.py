"""Streams of upstreams as the items of an engine, also malformed ones."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import UpstreamError
from a3s_power_jupyter.contract.types import Delta, Finished, GenerationItem, Started
from a3s_power_jupyter.remote import chunks
from a3s_power_jupyter.remote.chunks import ChunkReader

HUGE = 10**400
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def chunk(delta: Any, reason: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]}


def read(*events: dict[str, Any]) -> list[GenerationItem]:
    reader = ChunkReader(itertools.count().__next__)
    items = [item for event in events for item in reader.read(event)]
    return items + reader.end()


def call(index: Any = None, id_: Any = None, name: Any = None, arguments: Any = None) -> Any:
    given = {"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in given.items() if value is not None}


def calls(*parts: Any) -> dict[str, tuple[str, str]]:
    """The calls of an answer by id, from chunks with one part each."""
    found: dict[int, list[str]] = {}
    for item in read(*(chunk({"tool_calls": [part]}) for part in parts)):
        for part in item.tool_calls if isinstance(item, Delta) else ():
            known = found.setdefault(part.index, [part.id, part.name, ""])
            known[2] += part.arguments
    return {id_: (name, arguments) for id_, name, arguments in found.values()}


def finished(*events: dict[str, Any]) -> Finished:
    last = read(*events)[-1]
    assert isinstance(last, Finished)
    return last


def test_texts_thoughts_and_counts() -> None:
    items = read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm", "reasoning": "Hm"}),
        chunk({"reasoning": "."}),
        chunk({"content": "One"}),
        chunk({}, "stop"),
        {"choices": [], "usage": USAGE},
    )
    started, *deltas, end = items
    assert started == Started(0, 0)
    assert [(d.reasoning, d.text) for d in deltas if isinstance(d, Delta)] == [
        ("Hm", ""),
        (".", ""),
        ("", "One"),
    ]
    assert isinstance(end, Finished)
    counts = (end.prompt_tokens, end.completion_tokens, end.cached_tokens, end.reasoning_tokens)
    assert counts == (9, 4, 5, 2)
    assert end.finish_reason == "stop"
    assert (end.timings.prompt_n, end.timings.predicted_n) == (4, 4)
    assert end.timings.prompt_ms > 0
    assert end.timings.predicted_ms > 0


def test_text_of_completions() -> None:
    events = [{"choices": [{"text": "a", "finish_reason": None}]}, {"choices": [{"text": "b"}]}]
    assert "".join(item.text for item in read(*events) if isinstance(item, Delta)) == "ab"


def test_an_upstream_without_usage() -> None:
    end = finished(chunk({"content": "a"}, "length"))
    assert (end.prompt_tokens, end.completion_tokens, end.finish_reason) == (0, 0, "length")


def test_a_stream_without_chunks_is_an_empty_answer() -> None:
    assert [type(item) for item in read()] == [Started, Finished]


@pytest.mark.parametrize("tokens", [HUGE, 2**64, -1, 1.5, "5", None, [5], {}, True])
def test_impossible_counts_are_unknown(tokens: Any) -> None:
    details = {"cached_tokens": tokens, "reasoning_tokens": tokens}
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
    usage |= {"prompt_tokens_details": details, "completion_tokens_details": details}
    end = finished({"usage": usage})
    assert (end.prompt_tokens, end.completion_tokens, end.cached_tokens) == (0, 0, 0)


def test_parts_of_a_prompt_are_not_more_than_the_prompt() -> None:
    details = {"cached_tokens": 9, "reasoning_tokens": 9}
    usage = {"prompt_tokens": 2, "completion_tokens": 3}
    usage |= {"prompt_tokens_details": details, "completion_tokens_details": details}
    end = finished({"usage": usage})
    assert (end.cached_tokens, end.reasoning_tokens) == (2, 3)


@pytest.mark.parametrize(
    "parts",
    [
        # OpenAI, vLLM, llama.cpp
        [call(0, "a", "f", ""), call(0, arguments='{"x"'), call(0, arguments=":1}"),
         call(1, "b", "g", "{}")],
        # Gemini: no index
        [call(None, "a", "f", '{"x":1}'), call(None, "b", "g", "{}")],
        # Ollama: always the index 0
        [call(0, "a", "f", '{"x":1}'), call(0, "b", "g", "{}")],
        # the name and the id in each part, and an object
        [call(0, "a", "f", '{"x"'), call(0, "a", "f", ":1}"), call(7, "b", "g", {})],
        [call(0, "a", "f", {"x": 1}), call(HUGE, "b", "g", "{}")],
    ],
)  # fmt: skip
def test_calls_of_different_servers(parts: list[Any]) -> None:
    found = calls(*parts)
    assert found["a"] == ("f", '{"x":1}')
    assert found["b"] in (("g", "{}"), ("g", ""))


@pytest.mark.parametrize(
    "between", [{"tool_calls": [call(1, "b", "g", "{}")]}, {"content": "x"}, {"reasoning": "x"}]
)
def test_a_call_that_has_ended_does_not_continue(between: dict[str, Any]) -> None:
    begun = chunk({"tool_calls": [call(0, "a", "f", "{")]})
    continued = chunk({"tool_calls": [call(0, arguments="}")]})
    assert finished(begun, chunk({"content": ""}), continued).finish_reason == "tool_calls"
    with pytest.raises(UpstreamError):
        read(begun, chunk(between), continued)


def test_an_empty_part_of_a_call_that_has_ended_is_left_out() -> None:
    first, second = call(0, "a", "f", "{}"), call(1, "b", "g", "{}")
    found = calls(first, second, call(0, arguments=""), call(0, "a", "f"))
    assert found == {"a": ("f", "{}"), "b": ("g", "{}")}


def test_calls_without_ids_get_different_ones() -> None:
    assert len(calls(call(0, None, "f", "{}"), call(1, None, "f", "{}"))) == 2
    assert len(calls(call(0, "a", "f", "{}"), call(1, "a", "f", "{}"))) == 2


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "function_call"])
def test_the_end_of_an_answer_with_calls(reason: str) -> None:
    part = {"tool_calls": [call(0, "a", "f", "{}")]}
    assert finished(chunk(part), chunk({}, reason)).finish_reason == "tool_calls"
    assert finished(chunk({"content": "x"}), chunk({}, reason)).finish_reason == "stop"
    assert finished(chunk(part), chunk({}, "length")).finish_reason == "length"


@pytest.mark.parametrize("reason", ["content_filter", "abort", "error"])
def test_an_incomplete_answer_is_an_error(reason: str) -> None:
    with pytest.raises(UpstreamError):
        read(chunk({"content": "x"}), chunk({}, reason))


def test_the_stop_string_of_vllm() -> None:
    assert finished(chunk({}, "stop", stop_reason="END")).stop == "END"
    assert finished(chunk({}, "stop", stop_reason=128009)).stop is None


def test_log_probabilities() -> None:
    top = [{"token": "é", "logprob": -0.5}]
    row = {"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": top}
    (delta,) = [
        item
        for item in read(chunk({"content": "é"}, logprobs={"content": [row], "refusal": None}))
        if isinstance(item, Delta)
    ]
    assert delta.logprobs is not None
    assert delta.logprobs[0].top == [("é", [195, 169], -0.5)]


def test_alternatives_that_were_not_asked_for_are_left_out() -> None:
    """llama.cpp's server sends log probabilities only together with an alternative."""
    row = {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "é", "logprob": -0.5}] * 3}
    for alternatives in (0, 2):
        reader = ChunkReader(alternatives=alternatives)
        delta = reader.read(chunk({"content": "é"}, logprobs={"content": [row]}))[-1]
        assert isinstance(delta, Delta)
        assert delta.logprobs is not None
        assert len(delta.logprobs[0].top) == alternatives


@pytest.mark.parametrize(
    "event",
    [
        {"choices": {}},
        {"choices": [None]},
        {"choices": ["text"]},
        chunk("text"),
        chunk({"content": 5}),
        chunk({"content": {"a": 1}}),
        chunk({"reasoning": ["a"]}),
        chunk({}, 5),
        chunk({"tool_calls": {}}),
        chunk({"tool_calls": [None]}),
        chunk({"tool_calls": [call("0", "a", "f")]}),
        chunk({"tool_calls": [call(0, 5, "f")]}),
        chunk({"tool_calls": [call(0, "a")]}),
        chunk({"tool_calls": [{"index": 0}]}),
        chunk({"tool_calls": [call(0, "a", "f", [1])]}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": "f"}]}),
        chunk({}, logprobs={"content": [{"logprob": 1}]}),
        chunk({}, logprobs={"content": [{"token": "a", "bytes": [256]}]}),
    ],
)
def test_malformed_chunks_are_errors(event: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError):
        read(event)


def test_the_size_of_an_answer_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MAX_CALLS", 2)
    with pytest.raises(UpstreamError, match="calls"):
        calls(*(call(i, f"{i}", "f") for i in range(3)))
    monkeypatch.setattr(chunks, "MAX_CHARACTERS", 10)
    with pytest.raises(UpstreamError, match="longer"):
        read(*(chunk({"content": "x" * 6}) for _ in range(2)))


def test_an_error_says_what_is_wrong_in_a_chunk() -> None:
    with pytest.raises(
        UpstreamError, match=r"API: choices\[0\].delta.content must be a string, not"
    ):
        ChunkReader().read({"choices": [{"delta": {"content": 7}}]})
    with pytest.raises(UpstreamError, match=r"API: choices must be a list, not a string\.$"):
        ChunkReader().read({"choices": "x"})
