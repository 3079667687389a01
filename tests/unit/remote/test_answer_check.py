"""Test that an answer shows what an upstream has ignored."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import UpstreamError
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    Sampling,
    ToolChoice,
)
from a3s_power_jupyter.remote.answer_check import AnswerCheck
from a3s_power_jupyter.remote.chunks import ChunkReader

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
WEATHER = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "weather"}}]}
OTHER = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "other"}}]}
LOGPROBS = {"content": [{"token": "Hi", "logprob": -1.0}]}
JSON = Sampling(constraint=Constraint("json_schema", {"type": "object"}))


def check(
    request: ChatRequest | CompletionRequest,
    *deltas: dict[str, Any],
    end: str = "stop",
    **choice: Any,
) -> None:
    reader, checked = ChunkReader(), AnswerCheck(request)
    for delta in deltas:
        for item in reader.read({"choices": [{"delta": delta, **choice}]}):
            checked.read(item)
    reader.read({"choices": [{"delta": {}, "finish_reason": end}]})
    for item in reader.end():
        checked.read(item)


def chat(**fields: Any) -> ChatRequest:
    return ChatRequest([USER], **fields)


def test_a_plain_answer() -> None:
    check(chat(), {"content": "Hi"})
    check(CompletionRequest("Hi"), {"content": "Hi"})
    check(chat(tool_choice=ToolChoice("required")), {"content": "Hi"})  # without tools


@pytest.mark.parametrize("parts", [('{"city": ', '"Oslo"}'), ("\n[1", "]\n"), ('"Oslo"',)])
def test_json(parts: tuple[str, ...]) -> None:
    check(chat(sampling=JSON), *({"content": part} for part in parts))


@pytest.mark.parametrize(
    "text", ["It is sunny.", "", '```json\n{"city": "Oslo"}\n```', '{"city": ']
)
def test_a_schema_that_was_ignored(text: str) -> None:
    with pytest.raises(UpstreamError, match="is not JSON: the upstream has ignored the schema"):
        check(chat(sampling=JSON), {"content": text})
    check(chat(sampling=JSON), {"content": text}, end="length")


def test_a_call_instead_of_json() -> None:
    check(chat(sampling=JSON, tools=[TOOL]), WEATHER, end="tool_calls")


@pytest.mark.parametrize("name", [None, "weather"])
def test_a_choice_of_a_tool(name: str | None) -> None:
    request = chat(tools=[TOOL], tool_choice=ToolChoice("required", name))
    check(request, WEATHER, end="tool_calls")
    check(request, {"content": "It is"}, end="length")
    with pytest.raises(UpstreamError, match="has ignored tool_choice"):
        check(request, {"content": "It is sunny."})
    check(chat(tools=[TOOL]), {"content": "It is sunny."})


def test_a_call_of_another_tool() -> None:
    check(chat(tools=[TOOL], tool_choice=ToolChoice("required")), OTHER)
    with pytest.raises(UpstreamError, match="does not call 'weather'"):
        check(chat(tools=[TOOL], tool_choice=ToolChoice("required", "weather")), OTHER)


@pytest.mark.parametrize("end", ["stop", "length"])
def test_log_probabilities(end: str) -> None:
    request = chat(sampling=Sampling(logprobs=0))
    check(request, {"content": "Hi"}, end=end, logprobs=LOGPROBS)
    check(request, end=end)
    with pytest.raises(UpstreamError, match="has no log probabilities"):
        check(request, {"content": "Hi"}, end=end)
