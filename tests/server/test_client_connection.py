"""Test the client's HTTP connection: errors, broken replies, restarts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from IPython.core.ultratb import VerboseTB

from a3s_power_jupyter.client.address import Server
from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.contract.errors import (
    ConnectionLost,
    Forbidden,
    ModelNotFound,
    PowerError,
    ServerBusy,
    ServerNotFound,
    Unauthorized,
)
from support.ports import free_port
from support.stub_server import HEALTH, Request, StubServer, client_of, health


def test_the_key_is_sent_and_not_shown() -> None:
    with StubServer(health("secret")) as server, client_of(server.url, "secret") as client:
        assert client.health().status == "ok"
        assert "secret" not in repr(client) + repr(client.server)


def test_a_password_in_the_url_is_not_shown() -> None:
    with client_of(f"http://ada:open-sesame@127.0.0.1:{free_port()}/", "secret") as client:
        with pytest.raises(ServerNotFound) as caught:
            client.health()
        assert "open-sesame" not in str(caught.value)
    assert caught.value.__suppress_context__  # the HTTP client's text is not shown either


def test_a_traceback_in_a_notebook_leaves_the_connection_out() -> None:
    def answer(request: Request) -> None:
        request.send(b'{"error":{"code":"model_not_found","message":"No such model."}}', 404)

    with (
        StubServer(answer) as server,
        client_of(server.url) as client,
        pytest.raises(ModelNotFound) as caught,
    ):
        client.chat("missing", "Hello")
    traceback = VerboseTB(theme_name="nocolor").text(caught.type, caught.value, caught.tb)
    assert "No such model" in traceback
    assert "client.chat" in traceback
    assert "_send_checked" not in traceback
    assert "closed the connection" not in traceback


def test_names_are_percent_encoded() -> None:
    paths = []

    def answer(request: Request) -> None:
        paths.append(request.path)
        request.send(b'{"error":{"code":"model_not_found","message":"No such model."}}', 404)

    with StubServer(answer) as server, client_of(server.url + "user/ada/") as client:
        for name in ("llama3.2:3b", "owner/repo:Q4_K_M", "a@b+c", "x/load"):
            with pytest.raises(ModelNotFound, match="No such model"):
                client.show(name)
    assert paths == [
        "/user/ada/v1/models/llama3.2%3A3b",
        "/user/ada/v1/models/owner%2Frepo%3AQ4_K_M",
        "/user/ada/v1/models/a%40b%2Bc",
        "/user/ada/v1/models/x%2Fload",
    ]


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (404, b"<html>404</html>", ServerNotFound, "jupyter server extension list"),
        (302, b"", ServerNotFound, "HTTP status 302"),
        (403, b"Forbidden", Unauthorized, "rejected the token"),
        (500, b'{"message": "boom"}', ServerNotFound, "HTTP status 500"),
        (403, b'{"error":{"code":"forbidden","message":"Not you."}}', Forbidden, "Not you"),
        (418, b'{"error":{"code":"new_code","message":"Tea."}}', PowerError, "Tea"),
    ],
)
def test_errors_of_the_server_and_of_other_servers(
    status: int, body: bytes, error: type[PowerError], message: str
) -> None:
    with StubServer(lambda r: r.send(body, status)) as server, client_of(server.url) as client:
        with pytest.raises(error, match=message) as raised:
            client.models()
        assert type(raised.value) is error


def test_retry_after_is_kept() -> None:
    wire = b'{"error":{"code":"server_busy","message":"Busy.","retry_after":7}}'
    with StubServer(lambda r: r.send(wire, 503)) as server, client_of(server.url) as client:
        with pytest.raises(ServerBusy) as raised:
            client.models()
        assert raised.value.retry_after == 7


def test_no_server_at_the_address() -> None:
    client = client_of(f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(ServerNotFound, match="Could not connect to http://127"):
        client.models()


def test_a_reply_that_takes_too_long() -> None:
    released = threading.Event()
    with StubServer(lambda r: released.wait(10)) as server, client_of(server.url) as client:
        with pytest.raises(ConnectionLost, match="in time"):
            client.models(timeout=0.1)
        released.set()


def test_a_connection_closed_without_a_reply() -> None:
    with (
        StubServer(lambda r: r.wfile.close()) as server,
        client_of(server.url) as client,
        pytest.raises(ConnectionLost, match="without a reply"),
    ):
        client.models()


def test_a_connection_closed_within_a_stream() -> None:
    event = b'data: {"choices":[{"delta":{"content":"Par"},"finish_reason":null}]}\n\n'

    def answer(request: Request) -> None:
        request.send_chunks([event], whole=False)

    with StubServer(answer) as server, client_of(server.url) as client:
        stream = client.stream("m", "?")
        assert next(stream) == "Par"
        with pytest.raises(ConnectionLost, match="before its reply was complete"):
            next(stream)
        assert stream.reply.finish_reason == "interrupted"


def test_closing_a_stream_closes_the_connection() -> None:
    event = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n'
    broken = threading.Event()

    def endless(request: Request) -> None:
        def chunks():
            while True:
                yield event

        try:
            request.send_chunks(chunks())
        except OSError:
            broken.set()
            request.close_connection = True

    with StubServer(endless) as server, client_of(server.url) as client:
        with client.stream("m", "?") as stream:
            next(stream)
        assert broken.wait(5)


def test_closing_a_stream_interrupts_the_thread_that_reads_it() -> None:
    disconnected = threading.Event()

    def silent(request: Request) -> None:
        request.send_chunks([b'data: {"n":1}\n\n'], whole=False)
        request.wfile.flush()
        request.connection.recv(1)  # returns when the client disconnects
        disconnected.set()

    raised: list[Exception] = []

    def wait_for_event() -> None:
        try:
            next(events)
        except ConnectionLost as error:
            raised.append(error)

    with StubServer(silent) as server:
        stream = Connection(Server(url=server.url)).stream("GET", "events")
        events = iter(stream)
        assert next(events) == {"n": 1}
        waiting = threading.Thread(target=wait_for_event, daemon=True)
        waiting.start()
        time.sleep(0.2)  # until the thread blocks in recv
        stream.close()
        waiting.join(5)
        assert disconnected.wait(5)
        assert len(raised) == 1


def test_a_closed_stream_yields_no_events() -> None:
    with StubServer(lambda r: r.send_chunks([b'data: {"n":1}\n\n'])) as server:
        stream = Connection(Server(url=server.url)).stream("GET", "events")
        stream.close()
        with pytest.raises(ConnectionLost):
            next(iter(stream))


def test_a_restarted_server_is_found_again() -> None:
    searches = []
    with StubServer(health("new")) as second:
        new = Server(url=second.url, key="new")

        def find() -> Server:
            searches.append(1)
            return new

        moved = Connection(Server(url=f"http://127.0.0.1:{free_port()}/", key="old"), find)
        assert moved.request("GET", "health") == HEALTH
        assert moved.server is new
        other_key = Connection(Server(url=second.url, key="old"), find)
        assert other_key.request("GET", "health") == HEALTH
        assert len(searches) == 2
        moved.close()
        other_key.close()


def test_one_thread_finds_a_restarted_server_for_all() -> None:
    searches = []
    together = threading.Barrier(4)  # all threads send their request before any is refused

    def old(request: Request) -> None:
        together.wait(10)
        request.send(b'{"error":{"code":"unauthorized","message":"No."}}', 403)

    with StubServer(old) as first, StubServer(health("new")) as second:

        def find() -> Server:
            searches.append(1)
            return Server(url=second.url, key="new")

        connection = Connection(Server(url=first.url, key="old"), find)
        with ThreadPoolExecutor(4) as threads:
            futures = [threads.submit(connection.request, "GET", "health") for _ in range(4)]
        assert [future.result() for future in futures] == [HEALTH] * 4
        assert len(searches) == 1
        connection.close()


def test_a_closed_client_raises() -> None:
    with StubServer(health("k")) as server:
        with client_of(server.url, "k") as client:
            client.health()
        with pytest.raises(ConnectionLost, match="This client is closed"):
            client.health()


def test_a_request_is_not_repeated_if_the_server_has_not_changed() -> None:
    paths = []

    def refuse(request: Request) -> None:
        paths.append(request.path)
        request.send(b'{"error":{"code":"unauthorized","message":"No."}}', 403)

    with StubServer(refuse) as server:
        same = Server(url=server.url, key="k")
        connection = Connection(same, lambda: same)
        with pytest.raises(Unauthorized):
            connection.request("GET", "health")
        connection.close()
    assert paths == ["/v1/health"]


def test_forbidden_does_not_start_a_search() -> None:
    def find() -> Server:
        raise AssertionError("searched")

    wire = b'{"error":{"code":"forbidden","message":"Read only."}}'
    with StubServer(lambda r: r.send(wire, 403)) as server:
        connection = Connection(Server(url=server.url), find)
        with pytest.raises(Forbidden):
            connection.request("GET", "health")
        connection.close()
