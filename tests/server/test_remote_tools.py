"""Tools and thoughts of remote models pass through unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.remote_requests import MESSAGES, ask, register, stream
from support.servers import Server, run_server
from support.upstream_answers import KEY, WEATHER
from support.upstream_server import Upstream, run_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def front(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("front")
    with run_server(folder, headless=True, environ={"UPSTREAM_KEY": KEY}) as server:
        register(server, upstream.url, "echo", "calls")
        yield server


def test_fields_that_local_models_refuse_are_forwarded(front: Server, upstream: Upstream) -> None:
    call = {"id": "x", "type": "custom", "custom": {"name": "c", "input": "y"}}
    body = {
        "messages": [
            *MESSAGES,
            {"role": "assistant", "content": None, "tool_calls": [call, WEATHER]},
            {"role": "tool", "tool_call_id": "x", "content": {"not": "text"}},
            {"role": "assistant", "content": "The weather is", "reasoning": {"a": [1]}},
        ],
        "tools": [{"type": "custom", "custom": {"name": "c"}}, {"type": "web_search"}, {}],
        "tool_choice": {"type": "custom", "custom": {"name": "c"}},
        "functions": [{"name": "a b"}, {"name": "a b"}],
        "function_call": "later",
        "parallel_tool_calls": "perhaps",
        "response_format": {"type": "structural_tag", "structures": []},
        "reasoning_effort": 3,
        "chat_template_kwargs": [],
        "continue_final_message": True,
        "add_generation_prompt": True,
        "audio": {"voice": "x"},
    }
    reply = ask(front, "echo", **body)
    assert reply.status_code == 200, reply.text
    assert upstream.bodies[-1] == {"model": "echo", **body}


def test_calls_and_thoughts_of_a_stream_are_forwarded(front: Server) -> None:
    deltas = [event["choices"][0]["delta"] for event in stream(front, "calls")]
    function = {"name": "weather", "arguments": ""}
    assert deltas == [
        {"role": "assistant", "content": None},
        {"reasoning_content": "Hm.", "reasoning": "Hm.", "reasoning_details": [{"text": "Hm."}]},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": "Pa'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": 'ris"}'}}]},
        {"function_call": {"name": "weather", "arguments": "{}"}},
        {},
    ]
