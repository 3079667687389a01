"""Test ``%%power --tools`` and `Client.run_tools` in a kernel, with a scripted upstream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from support.kernel_cells import Cell, Kernel
from support.remote_requests import register
from support.servers import run_server
from support.upstream_answers import KEY, THOUGHTS
from support.upstream_server import Upstream, run_upstream

FUNCTIONS = '''
from __future__ import annotations
import asyncio, time
from pydantic import BaseModel

class Place(BaseModel):
    city: str

def weather(place: Place, days: int = 1) -> dict:
    """Return the weather."""
    return {"city": place.city, "days": days}

async def later(value: int) -> int:
    await asyncio.sleep(0.01)
    return value + 1

def broken() -> None:
    raise LookupError("no such place")

def slow() -> str:
    print("started", flush=True)
    time.sleep(60)
    return "late"
'''


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def kernel(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the functions, and the model ``far/agent``."""
    folder = tmp_path_factory.mktemp("tools")
    with run_server(folder, environ={"UPSTREAM_KEY": KEY}) as server:
        register(server, upstream.url, "agent", "hostile_agent")
        with Kernel(server) as kernel:
            for code in ("%load_ext a3s_power_jupyter", FUNCTIONS):
                cell = kernel.run(code)
                assert cell.status == "ok", cell.errors
            yield kernel


def power(options: str, *rounds: list[list[object]]) -> str:
    return f"%%power far/agent {options}\n{json.dumps(rounds)}"


def test_calls_are_made_and_shown_as_they_happen(kernel: Kernel, upstream: Upstream) -> None:
    calls = [["weather", {"place": {"city": "Paris"}}], ["later", {"value": 1}]]
    cell = kernel.run(power("--raw --tools weather,later", calls, [["broken", {}]]))
    assert cell.status == "ok", cell.stderr
    assert {o["msg_type"] for o in cell.outputs} == {"display_data", "update_display_data"}
    shown = cell.texts("text/plain")
    assert shown[0] == "Thinking ..."
    assert shown[-1] == (
        'weather(place={"city": "Paris"}) -> {"city":"Paris","days":1}\n'
        "later(value=1) -> 2\n"
        "broken() -> error: There is no tool 'broken'. The tools are: weather, later.\n\n"
        "The end: There is no tool 'broken'. The tools are: weather, later."
    )
    markup = cell.texts("text/html")
    assert re.search(r"Thinking for .* s<br>… <bdi>The", markup[0])
    assert markup[-1].count("<details>") == 6  # three times thoughts, and three calls
    assert "<strong>should</strong>" in markup[-1]
    assert '<p dir="auto">The end: ' in markup[-1]

    tools = upstream.bodies[-1]["tools"]
    assert [tool["function"]["name"] for tool in tools] == ["weather", "later"]
    assert tools[0]["function"]["parameters"]["$defs"]["Place"]["required"] == ["city"]
    results = [m["content"] for m in upstream.bodies[-1]["messages"] if m["role"] == "tool"]
    assert results[:2] == ['{"city":"Paris","days":1}', "2"]
    printed = kernel.run("print(answer.reasoning, [r.text for r in answer.results][1], answer)")
    assert printed.stdout.startswith(f"{THOUGHTS} 2 The end: ")


def test_an_exception_is_shown_and_sent(kernel: Kernel, upstream: Upstream) -> None:
    cell = kernel.run(power("--tools broken", [["broken", {}]]))
    assert "broken() -> error: LookupError: no such place" in cell.texts("text/plain")[-1]
    assert upstream.bodies[-1]["messages"][-1]["content"] == "LookupError: no such place"
    assert not cell.errors


def test_the_conversation_continues_after_calls(kernel: Kernel, upstream: Upstream) -> None:
    kernel.run(power("--tools later", [["later", {"value": 1}]]))
    cell = kernel.run(power("--tools later --continue", [["later", {"value": 2}]]))
    assert "The end: 3" in cell.texts("text/plain")[-1]
    roles = [message["role"] for message in upstream.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant", "tool"]


def test_an_interrupt_stops_a_function(kernel: Kernel, upstream: Upstream) -> None:
    cell = kernel.start(power("--tools slow --to stopped", [["slow", {}]]))
    result = Cell()
    for message in kernel.outputs(cell):
        result.outputs.append(message)
        if message["msg_type"] == "stream":
            asked = len(upstream.bodies)
            kernel.interrupt()
    result.status = kernel.reply(cell)["content"]["status"]
    assert result.status == "error"
    assert result.errors == ["Interrupted before the first word. stopped is empty."]
    assert result.texts("text/plain")[-1] == "slow() -> error: interrupted\n\n*(stopped)*"
    assert "is running" not in result.texts("text/html")[-1]
    assert len(upstream.bodies) == asked
    assert kernel.run("print(stopped.finish_reason)").stdout == "interrupted\n"


def test_too_many_rounds_are_a_usage_error(kernel: Kernel) -> None:
    rounds = [[["later", {"value": n}]] for n in range(5)]
    cell = kernel.run(power("--tools later --max-rounds 2", *rounds))
    assert cell.stderr.startswith("UsageError: The model still calls tools after 2 rounds")
    assert "later(value=0) -> 1\n" in cell.texts("text/plain")[-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wether", "UsageError: --tools: 'wether' is not defined. Did you mean 'weather'?"),
        ("Place", "UsageError: A tool is a function or a dict, not the class Place."),
        ("print", "UsageError: --tools: 'print' is not defined."),
    ],
)
def test_names_that_are_no_functions_are_usage_errors(
    kernel: Kernel, upstream: Upstream, name: str, message: str
) -> None:
    asked = len(upstream.bodies)
    cell = kernel.run(power(f"--tools {name}", []))
    assert cell.stderr.startswith(message)
    assert len(upstream.bodies) == asked


def test_the_client_calls_functions(kernel: Kernel, upstream: Upstream) -> None:
    cell = kernel.run(
        "import a3s_power_jupyter as power, json\n"
        "client = power.connect()\n"
        "rounds = json.dumps([[['later', {'value': 7}]]])\n"
        "reply = client.run_tools('far/agent', rounds, [later], on_result=print)\n"
        "reply"
    )
    assert cell.status == "ok", cell.errors
    assert "later" in cell.stdout
    assert "later(value=7)" in cell.texts("text/html")[-1]
    assert cell.texts("text/plain")[-1].startswith("ToolReply('The end: 8', reasoning=")


def test_a_call_is_forced_once_and_names_complete(kernel: Kernel, upstream: Upstream) -> None:
    kernel.run(power("--tools weather,later --tool-choice later", [["later", {"value": 1}]]))
    first, second = upstream.bodies[-2:]
    assert first["tool_choice"] == {"type": "function", "function": {"name": "later"}}
    assert "tool_choice" not in second
    assert kernel.complete("%%power far/agent --tools weather,la") == [
        "%%power far/agent --tools weather,later"
    ]
    assert "%%power --tools broken" in kernel.complete("%%power --tools ")


def test_a_class_gives_the_schema_of_an_answer(kernel: Kernel, upstream: Upstream) -> None:
    kernel.run(power("--json-schema Place --no-think --to place"))
    sent = upstream.bodies[-1]
    assert sent["response_format"]["json_schema"]["name"] == "Place"
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    printed = kernel.run("try: place.parsed\nexcept power.PowerError as error: print(error)")
    assert "does not match the schema" in printed.stdout


def test_hostile_names_arguments_results_and_thoughts(kernel: Kernel) -> None:
    kernel.run("def leak(**values: str) -> str: return ' '.join(values)")
    cell = kernel.run("%%power far/hostile_agent --tools leak\nHello")
    assert cell.status == "ok", cell.stderr
    for markup in cell.texts("text/html"):
        assert not re.search(r"<(script|img|svg|iframe|style|link)\b", markup)
        assert 'href="javascript' not in markup
    assert "the end" in cell.texts("text/html")[-1]
