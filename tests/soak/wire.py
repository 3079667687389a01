"""Send requests over plain connections, and check the shape of every reply."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from a3s_power_jupyter.contract.errors import BY_CODE
from support.servers import Server

#: Seconds that a request may take on a busy machine. The longest wait of the server is its
#: `load_timeout` of 60 seconds.
LIMIT = 240.0

ANSWERED = "answered"


class Violation(Exception):
    """A reply that the contract does not allow, or none in time."""


class Lost(Violation):
    """The connection was lost, which is right only while the server stops."""


@contextmanager
def request(
    server: Server, method: str, path: str, body: Any = None, *, stream: bool = False
) -> Iterator[http.client.HTTPResponse]:
    """Send a request and yield its reply. The connection is closed when the block ends."""
    connection = connect(server)
    try:
        send(connection, server, method, path, body, stream=stream)
        yield connection.getresponse()
    except TimeoutError:
        raise Violation(f"{method} {path}: no answer within {LIMIT:g} seconds") from None
    except (http.client.HTTPException, ConnectionError) as error:
        raise Lost(f"{method} {path}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()


def connect(server: Server) -> http.client.HTTPConnection:
    address = urlsplit(server.url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=LIMIT)


def send(
    connection: http.client.HTTPConnection,
    server: Server,
    method: str,
    path: str,
    body: Any = None,
    *,
    stream: bool = False,
) -> None:
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    if stream:
        headers["Accept"] = "text/event-stream"
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, urlsplit(server.url).path + path, content, headers)


def call(server: Server, method: str, path: str, body: Any = None) -> tuple[str, Any]:
    """Return the outcome of a request, ``answered`` or the code of its error, and its reply."""
    with request(server, method, path, body) as reply:
        return read(reply, f"{method} {path}")


def read(reply: http.client.HTTPResponse, what: str) -> tuple[str, Any]:
    """Return the outcome and the JSON of a whole reply."""
    content = reply.read()
    try:
        value = json.loads(content)
    except ValueError:
        raise Violation(f"{what}: status {reply.status} without JSON: {content[:200]!r}") from None
    if reply.status < 400:
        return ANSWERED, value
    return error_code(value, what, reply.status), value


def read_stream(reply: http.client.HTTPResponse, what: str, *, done: bool) -> str:
    """Return the outcome of a stream, which has to end with ``[DONE]`` or a final status."""
    if reply.status >= 400:
        return read(reply, what)[0]
    last: Any = None
    for last in events(reply):
        if isinstance(last, dict) and "error" in last:
            return error_code(last, what)
    status = None if isinstance(last, str) or last is None else last.get("status")
    if last == "[DONE]" if done else status in ("success", "already_exists"):
        return ANSWERED
    if not done and status in ("paused", "cancelled"):  # by another client
        return str(status)
    raise Lost(f"{what}: the stream ended with {last!r}")


def events(reply: http.client.HTTPResponse) -> Iterator[Any]:
    """Yield the JSON of each event."""
    while line := reply.readline():
        if line.startswith(b"data: "):
            data = line[6:].strip()
            yield "[DONE]" if data == b"[DONE]" else json.loads(data)


def error_code(value: Any, what: str, status: int | None = None) -> str:
    """Return the code of an error, and check that the contract knows it."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict) or not {"message", "type", "code"} <= set(error):
        raise Violation(f"{what}: {status} {str(value)[:300]}")
    code = str(error["code"])
    if code not in BY_CODE or code == "internal_error" or status == 500:
        raise Violation(f"{what}: {status} {error}")
    return code


def quoted(name: str) -> str:
    return quote(name, safe="")
