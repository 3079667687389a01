"""Test the state of the widgets and their HTML and text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from traitlets import TraitError

from a3s_power_jupyter.client import Client
from a3s_power_jupyter.client.address import Server as Address
from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.contract.types import ModelDetails
from a3s_power_jupyter.widgets import PowerWidget, fallback
from support import fake_models
from support.bridge_ends import CHAT, closed_streams
from support.kernel_cells import Cell, Kernel
from support.servers import Server
from support.waiting import wait_until

VIEW = "application/vnd.jupyter.widget-view+json"
SAVED = "application/vnd.a3s-power.widget+json"
PULL = "org/repo:Q4_K_M"
STATUS = {"name": PULL, "status": "paused", "started_at": 1.0, "completed": 25, "total": 100}


@pytest.fixture
def client(fake_server: Server) -> Iterator[Client]:
    address = Address(url=fake_server.url, key=fake_server.key)
    with Client(Connection(address)) as client:
        yield client


def forms(widget: PowerWidget) -> dict[str, Any]:
    """Return the widget's content by MIME type."""
    data, _metadata = widget._repr_mimebundle_()
    return dict(data)


# ---------------------------------------------------------------- state


def test_the_saved_state_contains_no_key_and_no_address(
    client: Client, fake_server: Server
) -> None:
    widgets = [client.table(), client.pull_widget(PULL), client.chat_widget("a/load")]
    port = fake_server.url.rstrip("/").rpartition(":")[2]
    for widget in widgets:
        state = {k: v for k, v in widget.get_state().items() if k not in ("_esm", "_css")}
        saved = json.dumps([state, forms(widget)], default=str)
        assert not [secret for secret in (fake_server.key, port, "127.0.0.1") if secret in saved]
        assert state["instance"] == str(fake_server.pid)
        assert "export" in widget.get_state()["_esm"]
        widget.close()
    states = [(w.kind, getattr(w, "name", None), getattr(w, "model", None)) for w in widgets]
    assert states == [("table", None, None), ("pull", PULL, None), ("chat", None, "a/load")]


def test_messages_can_be_read_and_set(client: Client) -> None:
    chat = client.chat_widget()
    assert (chat.model, chat.messages) == ("", [])
    chat.messages = [{"role": "user", "content": "Hi"}]
    chat.set_state({"messages": [*chat.messages, {"role": "assistant", "content": "Hello"}]})
    assert [message["role"] for message in chat.messages] == ["user", "assistant"]
    assert chat.get_state()["messages"] == chat.messages
    # A page saves an answer while it is generated. Other messages of the kernel remove it.
    page = {"messages": chat.messages[:1], "answer": {"content": "Hel", "page": "a"}}
    chat.set_state(page)
    assert chat.answer == page["answer"]
    assert chat.fallback()["text/plain"].endswith("user: Hi\nassistant (incomplete): Hel")
    chat.messages = [{"role": "user", "content": "Bye"}]
    assert chat.answer is None
    with pytest.raises(TraitError):
        chat.messages = ["Hi"]  # type: ignore[list-item]
    chat.close()


# ---------------------------------------------------------------- HTML and text


def test_every_widget_has_a_view_html_and_text(client: Client) -> None:
    for widget in (client.table(), client.pull_widget(PULL), client.chat_widget("a/load")):
        shown = forms(widget)
        assert set(shown) == {VIEW, SAVED, "text/html", "text/plain"}
        assert shown[SAVED] == {"kind": widget.kind}
        assert shown[VIEW]["model_id"] == widget.model_id
        widget.close()


def test_the_table(client: Client) -> None:
    table = client.table()
    shown = table.fallback()
    left, right = (f'style="text-align: {side}"' for side in ("left", "right"))
    row = f"{left}>org/repo:Q4_K_M</th><td {left}>gguf</td><td {right}>1 B</td>"
    assert row in shown["text/html"]
    assert shown["text/html"].count("<tr>") == 1 + len(client.models())
    assert ["org/repo:Q4_K_M", "gguf", "1", "B", "unloaded"] in [
        line.split() for line in shown["text/plain"].splitlines()
    ]
    table.close()


def test_rows_omit_unknown_values() -> None:
    details = ModelDetails(quantization="<script>", parameter_count=135_000_000)
    model = msgspec.structs.replace(
        fake_models.model("m"), parameters=details, state="loaded", memory_bytes=2_000_000_000
    )
    shown = fallback.models([model])
    assert "gguf &lt;script&gt;" in shown["text/html"]
    assert "<script>" not in shown["text/html"]
    cells = ["m", "gguf", "<script>", "1", "B", "135", "M", "loaded", "2.0", "GB"]
    assert shown["text/plain"].splitlines()[1].split() == cells
    assert "%power pull" in fallback.models([])["text/plain"]


def test_a_pull_with_and_without_a_status(client: Client) -> None:
    widget = client.pull_widget(PULL)
    assert widget.status is None
    assert widget.fallback()["text/plain"].startswith(f"{PULL}: downloading 50%, 5 B of 10")
    widget.status = STATUS
    assert widget.fallback()["text/plain"].startswith(f"{PULL}: paused 25%, 25 B of 100")
    widget.close()


@pytest.mark.parametrize("name", ["no/such:Q4", "über ?/#%", "<b>x</b>", "..", "x/status", ""])
def test_an_unknown_pull(client: Client, name: str) -> None:
    widget = client.pull_widget(name)
    shown = forms(widget)
    assert widget.name == name
    assert shown["text/plain"] == f"{name}: not pulled"
    assert "<b>" not in shown["text/html"]
    widget.close()


def test_a_conversation(client: Client) -> None:
    chat = client.chat_widget("<m>")
    parts = [{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "See"}]
    chat.messages = [
        {"role": "user", "content": "<script>alert(1)</script>"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None},
        {
            "role": "assistant",
            "content": "Yes.",
            "reasoning_content": "<img src=x> Hm.",
            "tool_calls": [{"function": {"name": "f", "arguments": '{"a": "<b>"}'}}, 7],
        },
        {"role": "user", "content": [7, "text", None]},  # not a message, but users can set it
    ]
    shown = chat.fallback()
    assert shown["text/plain"].splitlines() == [
        "Chat with <m>",
        "user: <script>alert(1)</script>",
        "user: See",
        "Attached: Image",
        "assistant: ",
        "assistant: Yes.",
        'f(a="<b>")',
        "user: ",
    ]
    assert shown["text/html"].count("<details>") == 3
    assert "&lt;img src=x&gt; Hm." in shown["text/html"]
    assert "<img" not in shown["text/html"]
    assert '<p dir="auto">Chat with &lt;m&gt;</p>' in shown["text/html"]
    assert "<script>" not in shown["text/html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown["text/html"]
    chat.close()
    chat = client.chat_widget()
    assert chat.fallback()["text/plain"] == "Chat"
    chat.close()


# ---------------------------------------------------------------- closing


def test_closing_a_widget_cancels_the_requests_of_its_view(
    client: Client, fake_server: Server
) -> None:
    chat = client.chat_widget("endless")
    before = closed_streams(fake_server)
    body = {**CHAT["body"], "model": "endless"}
    chat._handle_custom_msg({"id": "a", **CHAT, "body": body}, [])
    wait_until(lambda: active_requests(fake_server) > 0)
    chat.close()
    wait_until(lambda: closed_streams(fake_server) > before)
    chat.close()  # a second time has no effect


def active_requests(server: Server) -> int:
    with server.api() as api:
        return int(api.get("v1/health").json()["active"])


# ---------------------------------------------------------------- in a kernel


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    with Kernel(server) as running:
        code = "%load_ext a3s_power_jupyter\nimport a3s_power_jupyter as power"
        assert running.run(f"{code}\nclient = power.connect()").status == "ok"
        yield running


def opened(cell: Cell) -> tuple[str, dict[str, Any]]:
    """Return the comm id and the initial state of the widget that a cell created."""
    opens = [o["content"] for o in cell.outputs if o["msg_type"] == "comm_open"]
    states = {content["comm_id"]: content["data"]["state"] for content in opens}
    (widget,) = [(id_, state) for id_, state in states.items() if "kind" in state]
    return widget


@pytest.mark.parametrize("code", ["client.table()", "%power models"])
def test_the_table_in_a_notebook(kernel: Kernel, server: Server, smollm2: str, code: str) -> None:
    cell = kernel.run(code)
    assert (cell.status, cell.stderr) == ("ok", "")
    comm, state = opened(cell)
    assert state["kind"] == "table"
    (view,) = cell.texts(VIEW)
    assert view["model_id"] == comm  # type: ignore[index]
    (markup,) = cell.texts("text/html")
    left, right = (f'style="text-align: {side}"' for side in ("left", "right"))
    assert f"{left}>{smollm2}</th><td {left}>gguf Q4_1</td><td {right}>98.4 MB</td>" in markup
    (text,) = cell.texts("text/plain")
    assert "98.4 MB" in text
    everything = json.dumps([output["content"] for output in cell.outputs])
    assert server.key not in everything
    assert server.url not in everything


def test_messages_set_in_the_kernel_are_sent_to_the_page(kernel: Kernel) -> None:
    _, state = opened(kernel.run("chat = client.chat_widget('smollm2')"))
    assert (state["model"], state["messages"]) == ("smollm2", [])
    messages = [{"role": "user", "content": "Hi"}]
    cell = kernel.run(f"chat.messages = {messages}")
    updates = [o["content"]["data"] for o in cell.outputs if o["msg_type"] == "comm_msg"]
    assert [update["state"] for update in updates] == [{"messages": messages}]
    cell = kernel.run("chat")
    assert cell.texts("text/plain")[-1] == "Chat with smollm2\nuser: Hi"
    kernel.run("chat.close()")


def test_a_status_set_in_the_kernel_is_sent_to_the_page(kernel: Kernel) -> None:
    _, state = opened(kernel.run(f"pull = client.pull_widget({PULL!r})"))
    assert (state["name"], state["status"]) == (PULL, None)
    cell = kernel.run(f"pull.status = {STATUS}\npull")
    updates = [o["content"]["data"] for o in cell.outputs if o["msg_type"] == "comm_msg"]
    assert [update["state"] for update in updates] == [{"status": STATUS}]
    assert cell.texts("text/plain")[-1] == f"{PULL}: paused 25%, 25 B of 100 B"
    kernel.run("pull.close()")
