"""Test what an interrupted answer of a cell says, with a client that has a reply ready."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from a3s_power_jupyter.client import ChatStream, Client, Usage
from a3s_power_jupyter.client.connection import EventStream
from a3s_power_jupyter.magics.cell_answer import CellAnswer
from a3s_power_jupyter.magics.live_text import TerminalText

CALL = {"index": 0, "id": "1", "function": {"name": "slow", "arguments": "{}"}}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5}


def slow() -> str:
    """Wait."""
    raise KeyboardInterrupt


def client(usage: dict[str, int] | None) -> Client:
    """Return a client of which the model calls `slow`."""
    delta = {"tool_calls": [CALL]}
    event = {"choices": [{"delta": delta, "finish_reason": "tool_calls"}], "usage": usage}

    def stream(*arguments: Any, **parameters: Any) -> ChatStream:
        content = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()
        response = httpx2.Response(200, content=iter([content]))
        return ChatStream(EventStream(response), "m", started=time.monotonic())

    model = SimpleNamespace(state="loaded", format="remote")
    return cast("Client", SimpleNamespace(show=lambda name: model, stream=stream))


@pytest.mark.parametrize("usage", [USAGE, None])
def test_an_interrupt_in_a_function_keeps_the_counts_of_the_answer(
    usage: dict[str, int] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with TerminalText() as text:
        answer = CellAnswer(client(usage), "m", text, {})
        reply, messages = answer.run([{"role": "user", "content": "Wait"}], [slow], 3)
    assert (str(reply), reply.finish_reason, len(messages)) == ("", "interrupted", 2)
    assert reply.usage == (usage and Usage(7, 5))
    _, _, line = capsys.readouterr().out.partition("*(stopped)*\n")
    if usage is None:  # the time of the answer is not the time until the interrupt
        assert (line, reply.statistics) == ("", "")
    else:
        assert line == f"{reply.statistics}\n"
        assert line.startswith("interrupted · 5 tokens in ")
