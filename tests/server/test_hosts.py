"""Test widgets in kernels without a Jupyter server, as in VS Code.

Their views send all requests over the widget's comm."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.kernel_cells import Cell, Cells, bare_kernel
from support.servers import clean_environ, stop_pid

VIEW = "application/vnd.jupyter.widget-view+json"
SAVED = "application/vnd.a3s-power.widget+json"
CONNECT = """
%load_ext a3s_power_jupyter
import a3s_power_jupyter as power
client = power.connect()
client.server.pid
"""
#: Less than the server's keep-alive interval of 15 s, so threads do not end by waiting for it.
NO_THREADS = """
import threading, time
deadline = time.monotonic() + 10
def views():
    return [t.name for t in threading.enumerate() if t.name.startswith("a3s-power-")]
while views() and time.monotonic() < deadline:
    time.sleep(0.05)
views()
"""
UNTIL_IDLE = """
import time
deadline = time.monotonic() + 5
while (state := client.show("smollm2").state) != "loaded" and time.monotonic() < deadline:
    time.sleep(0.05)
state
"""
LONG = [{"role": "user", "content": "Write a very long story about a lighthouse keeper."}]
SHORT = [{"role": "user", "content": "What is the capital city of France? Answer in one sentence."}]


@dataclass
class View:
    """View of a widget, which sends the same messages as `commTransport.ts`."""

    kernel: Cells
    widget: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def send(self, method: str, path: str, **more: Any) -> str:
        """Send a request and return its id."""
        number = f"view-{next(self.numbers)}"
        self.kernel.send(self.widget, {"id": number, "method": method, "path": path, **more})
        return number

    def stop(self, number: str) -> None:
        self.kernel.send(self.widget, {"id": number, "stop": True})

    def items(self, number: str) -> Iterator[Any]:
        """Yield the items of the reply to a request."""
        for message in self.kernel.received(self.widget):
            if message["id"] == number:
                if "item" in message:
                    yield message["item"]
                if message.get("done"):
                    return

    def reply(self, method: str, path: str, **more: Any) -> Any:
        (item,) = self.items(self.send(method, path, **more))
        return item


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cells, Cells]]:
    """Two kernels and the headless server that the first one started."""
    folder = tmp_path_factory.mktemp("hosts")
    environ = clean_environ(folder, folder / "power", folder / "runtime")
    with ExitStack() as stack:
        first, second = (stack.enter_context(bare_kernel(environ)) for _ in range(2))
        (pid,) = first.run(CONNECT).texts("text/plain")
        stack.callback(stop_pid, int(pid))
        assert second.run(CONNECT).texts("text/plain") == [pid]
        yield first, second


@pytest.fixture(scope="module")
def model(kernels: tuple[Cells, Cells], smollm2_path: Path) -> str:
    cell = kernels[0].run(f"%power register smollm2 {smollm2_path} -p num_ctx=2048")
    assert cell.status == "ok", cell.stderr
    return "smollm2"


@pytest.fixture
def view(kernels: tuple[Cells, Cells], model: str) -> View:
    (bundle,) = shown(kernels[0], "client.table()")
    return View(kernels[0], bundle[VIEW]["model_id"])


def shown(kernel: Cells, code: str) -> list[dict[str, Any]]:
    return displays(kernel.run(code))


def displays(cell: Cell) -> list[dict[str, Any]]:
    assert (cell.status, cell.stderr) == ("ok", "")
    kinds = ("display_data", "execute_result")
    return [o["content"]["data"] for o in cell.outputs if o["msg_type"] in kinds]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("client.table()", ["smollm2", "gguf Q4_1", "unloaded"]),
        ("%power models", ["smollm2", "gguf Q4_1", "unloaded"]),
        ("client.pull_widget('tests/nothing')", ["tests/nothing"]),
        ("client.chat_widget('smollm2')", ["Chat with smollm2"]),
    ],
)
def test_a_display_has_a_view_html_and_text(
    kernels: tuple[Cells, Cells], model: str, code: str, words: list[str]
) -> None:
    (bundle,) = shown(kernels[0], code)
    assert set(bundle) == {VIEW, SAVED, "text/html", "text/plain"}
    for word in words:
        assert word in bundle["text/html"]
        assert word in bundle["text/plain"]


def test_nbclient_gets_no_view(kernels: tuple[Cells, Cells], model: str) -> None:
    kernel = kernels[0]
    cell = kernel.finish(kernel.start("client.table()", allow_stdin=False))
    (bundle,) = displays(cell)
    assert set(bundle) == {"text/html", "text/plain"}
    assert [output["msg_type"] for output in cell.outputs] == ["execute_result"]


def test_voila_gets_a_view(kernels: tuple[Cells, Cells], model: str) -> None:
    kernel = kernels[0]
    kernel.run("import os; os.environ['SERVER_SOFTWARE'] = 'voila/0.5.12'")
    (bundle,) = displays(kernel.finish(kernel.start("client.table()", allow_stdin=False)))
    kernel.run("del os.environ['SERVER_SOFTWARE']")
    assert VIEW in bundle


def test_requests(view: View, model: str) -> None:
    (listed,) = view.reply("GET", "models")["data"]
    assert (listed["id"], listed["state"]) == (model, "unloaded")
    missing = view.reply("POST", "models/nobody/load", body={})
    assert missing["error"]["code"] == "model_not_found"
    assert "nobody" in missing["error"]["message"]
    refused = view.reply("GET", "gc")
    assert refused["error"]["code"] == "invalid_parameter"
    assert view.reply("GET", "models")["data"] == [listed]


def test_events_of_another_kernel_until_the_view_stops(
    kernels: tuple[Cells, Cells], view: View, model: str
) -> None:
    first, second = kernels
    stream = view.send("GET", "events", stream=True)
    events = view.items(stream)
    snapshot = next(events)
    assert [m["id"] for m in snapshot["models"]] == [model]

    assert second.run("client.load('smollm2')").status == "ok"
    for event in events:
        if event["type"] == "model" and event["model"]["state"] == "loaded":
            break
    view.stop(stream)
    assert first.run(NO_THREADS).texts("text/plain") == ["[]"]

    # After the stop, only other requests are answered.
    later = view.send("POST", f"models/{model}/unload", body={})
    for message in first.received(view.widget):
        assert message["id"] == later
        if message.get("done"):
            break


def test_a_chat_and_a_stopped_chat(kernels: tuple[Cells, Cells], view: View, model: str) -> None:
    body = {"model": model, "messages": SHORT, "temperature": 0, "max_tokens": 16, "stream": True}
    chunks = view.items(view.send("POST", "chat/completions", body=body, stream=True))
    pieces = [c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]]
    assert len(pieces) > 1
    assert "Paris" in "".join(pieces)

    body = {"model": model, "messages": LONG, "max_tokens": 1900, "stream": True}
    request = view.send("POST", "chat/completions", body=body, stream=True)
    assert next(view.items(request))["choices"]
    assert view.reply("GET", f"models/{model}")["state"] == "busy"
    view.stop(request)
    assert kernels[0].run(NO_THREADS).texts("text/plain") == ["[]"]
    # Much sooner than 1900 tokens are generated.
    assert kernels[1].run(UNTIL_IDLE).texts("text/plain") == ["'loaded'"]


def test_closing_a_widget_stops_the_requests_of_its_view(view: View) -> None:
    next(view.items(view.send("GET", "events", stream=True)))
    kernel = view.kernel
    assert kernel.run("import ipywidgets; ipywidgets.Widget.close_all()").status == "ok"
    assert kernel.run(NO_THREADS).texts("text/plain") == ["[]"]
