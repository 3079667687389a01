"""Test widgets with a server that restarts, stops, hangs, or sends something else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.client import Client
from a3s_power_jupyter.client.address import Server as Address
from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.contract.errors import ConnectionLost, ServerNotFound
from a3s_power_jupyter.widgets import PowerWidget, widgets
from support.stub_server import Request, StubServer

VIEW = "application/vnd.jupyter.widget-view+json"
PULL = "org/repo:Q4_K_M"
STATUS = {"name": PULL, "status": "paused", "started_at": 1.0, "completed": 25, "total": 100}
NO_RESPONSE = "The server did not respond when this was displayed."


def forms(widget: PowerWidget) -> dict[str, Any]:
    """Return the widget's content by MIME type."""
    data, _metadata = widget._repr_mimebundle_()
    return dict(data)


def is_shown_without_data(widget: PowerWidget) -> bool:
    """Whether the content is the view, and a notice instead of HTML and text."""
    shown = forms(widget)
    return (
        VIEW in shown and shown["text/plain"] == NO_RESPONSE and NO_RESPONSE in shown["text/html"]
    )


def events(*events: dict[str, Any]) -> Callable[[Request], None]:
    """Return the handler of a server without pulls, and with these events in its streams."""

    def answer(request: Request) -> None:
        if request.path.startswith("/v1/events"):
            request.send_chunks(b"data: %s\n\n" % msgspec.json.encode(event) for event in events)
        else:
            request.send(b'{"error":{"code":"pull_state_not_found","message":"None."}}', 404)

    return answer


def snapshot(instance: str, *models: Any) -> dict[str, Any]:
    return {"type": "snapshot", "instance": instance, "models": models, "pulls": []}


def test_a_widget_is_shown_after_its_server_has_stopped(caplog: pytest.LogCaptureFixture) -> None:
    with StubServer(events(snapshot("one"))) as server:
        client = Client(Connection(Address(url=server.url)))
        table, pull = client.table(), client.pull_widget(PULL)
    for widget in (table, pull):
        shown = forms(widget)
        assert VIEW in shown
        assert shown["text/plain"] == NO_RESPONSE
        assert str(server.port) not in json.dumps(shown)
    assert caplog.records == []  # warnings would be saved as output
    # The status set by the cell is shown without the server.
    pull.status = {**STATUS, "status": "failed", "error": {"message": "The server is gone."}}
    assert "The server is gone." in forms(pull)["text/html"]
    pull.status = {"status": "failed"}  # not a PullStatus
    assert forms(pull)["text/plain"] == NO_RESPONSE
    for widget in (table, pull):
        widget.close()
    client.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>Log in first</html>",
        b"data: <html>\n\n",
        b"data: [1]\n\n",
        b'data: {"type":"model"}\n\n',
        b'data: {"type":"snapshot","instance":"one","models":[{"id":"m"}]}\n\n',
    ],
)
def test_a_widget_is_shown_after_an_unexpected_reply(reply: bytes) -> None:
    """For example of a login page, or of another version of the server."""
    answers = [events(snapshot("one"))]
    with StubServer(lambda request: answers[-1](request)) as server:
        client = Client(Connection(Address(url=server.url)))
        table, pull = client.table(), client.pull_widget(PULL)
        answers.append(lambda request: request.send(reply))
        for widget in (table, pull):
            assert is_shown_without_data(widget)
            widget.close()
        client.close()


def test_a_widget_is_shown_while_the_server_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang() -> None:
        over.wait()

    answers = [events(snapshot("one"))]
    with StubServer(lambda request: answers[-1](request)) as server:
        client = Client(Connection(Address(url=server.url)))
        table, pull = client.table(), client.pull_widget(PULL)
        monkeypatch.setattr(widgets, "TIMEOUT", 0.1)
        answers.append(lambda _request: hang())
        for widget in (table, pull):
            assert is_shown_without_data(widget)
            widget.close()
        with pytest.raises(ConnectionLost, match="in time"):
            client.table()
        over.set()
        client.close()


def test_a_widget_is_shown_after_the_client_was_closed() -> None:
    with StubServer(events(snapshot("one"))) as server:
        with Client(Connection(Address(url=server.url))) as client:
            table, pull = client.table(), client.pull_widget(PULL)
        for widget in (table, pull):
            assert is_shown_without_data(widget)
            widget.close()


def test_a_table_shown_again_uses_the_restarted_server() -> None:
    with StubServer(events(snapshot("two"))) as new:
        with StubServer(events(snapshot("one"))) as old:
            client = Client(Connection(Address(url=old.url), lambda: Address(url=new.url)))
            table = client.table()
            assert table.instance == "one"
        assert "No models yet." in forms(table)["text/plain"]
        assert table.instance == "two"
        table.close()
        client.close()


def test_creating_a_widget_without_a_server_is_an_error() -> None:
    with StubServer(events()) as server:
        client = Client(Connection(Address(url=server.url)))
        with pytest.raises(ConnectionLost, match="before it sent the models"):
            client.table()
    for make in (client.table, client.chat_widget, lambda: client.pull_widget(PULL)):
        with pytest.raises(ServerNotFound):
            make()
    client.close()
