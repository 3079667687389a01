"""HTTP with one server: authentication, errors, event streams, and a server that was restarted."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from ..contract import sse
from ..contract.errors import ConnectionLost, PowerError, ServerNotFound, Unauthorized, from_wire

#: Seconds until a TCP connection must stand: servers are near.
CONNECT_TIMEOUT = 5.0
#: Seconds that a reply may take that waits for no model and no big file.
QUICK = 60.0


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is and how to be let in.

    The fields are those of its runtime file (ARCHITECTURE.md, "Authentication"), and `found`,
    which says to a person how it was found. `url` ends with a slash and lacks ``v1``.
    """

    url: str
    key: str | None = None
    pid: int | None = None
    hostname: str | None = None
    version: str | None = None
    certfile: str | None = None
    sock: str | None = None
    headless: bool = False
    found: str = ""

    def __repr__(self) -> str:
        return f"<Server {self.url}, {self.found}>"  # never the key


def http_options(server: Server) -> dict[str, Any]:
    """Keyword arguments of an ``httpx2.Client`` that reaches `server`."""
    address = urlsplit(server.url)
    # Plain HTTP needs no TLS context, and building one costs more than a request.
    verify: ssl.SSLContext | bool = address.scheme == "https"
    if server.certfile:
        verify = _trust_only(server.certfile)
    # HTTP_PROXY is for the world outside, and often set without a NO_PROXY.
    here = server.pid is not None or address.hostname in ("localhost", "127.0.0.1", "::1")
    options: dict[str, Any] = {"verify": verify, "trust_env": not here}
    if server.sock:
        options["transport"] = httpx2.HTTPTransport(uds=server.sock, verify=verify)
    return options


def _trust_only(certfile: str) -> ssl.SSLContext:
    """A context that accepts exactly the certificates in `certfile`.

    The name is not compared: a server that listens on loopback seldom has a certificate for it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the leaf itself may be the anchor
    context.load_verify_locations(certfile)
    return context


class EventStream:
    """The events of one SSE reply. Closing it tells the server that nobody listens any more.

    It may be closed by another thread than the one that waits for events, which then gets a
    `ConnectionLost`.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each event up to ``[DONE]`` or the end.

        Raises
        ------
        PowerError
            The one the server sent inside the stream.
        ConnectionLost
            The connection broke.
        """
        try:
            for data in sse.iter_events(self._response.iter_raw()):
                if data == b"[DONE]":
                    return
                event = msgspec.json.decode(data)
                if "error" in event:
                    raise from_wire(event["error"])
                yield event
        except (httpx2.TransportError, httpx2.StreamClosed) as error:
            raise ConnectionLost(
                "The server closed the connection before its reply was complete. "
                "It may have been stopped; try again."
            ) from error
        finally:
            self.close()

    def close(self) -> None:
        if not self._response.is_closed:
            self._wake_reader()
        self._response.close()

    def _wake_reader(self) -> None:
        """Closing a socket wakes nobody who waits for it, and tells the server nothing as long."""
        stream = self._response.extensions.get("network_stream")
        if stream is not None:
            with suppress(OSError):  # the server has ended the connection
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class Connection:
    """Requests to one server.

    Parameters
    ----------
    find
        Finds the server again when nobody listens at its address or it refuses the key, as
        after a restart; None for an address that the user chose.
    """

    def __init__(self, server: Server, find: Callable[[], Server] | None = None) -> None:
        self.server = server
        self._find = find
        self._finding = threading.Lock()
        self._http = self._open()
        self._old: list[httpx2.Client] = []  # which other threads may still read from

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        timeout: float | None = QUICK,
    ) -> bytes:
        """The body of the reply; `path` comes after ``v1/``, `timeout` is in seconds.

        Raises
        ------
        PowerError
            As the server sent it, `ServerNotFound` or `ConnectionLost`.
        """
        return self._send(method, path, body=body, timeout=timeout).content

    def stream(
        self, method: str, path: str, *, body: object = None, timeout: float | None = None
    ) -> EventStream:
        """The events of the reply. It is open when this returns, and errors raise here; `timeout`
        is of the seconds without a byte."""
        return EventStream(self._send(method, path, body=body, timeout=timeout, stream=True))

    def close(self) -> None:
        for http in (self._http, *self._old):
            http.close()

    def _open(self) -> httpx2.Client:
        headers = {"Accept-Encoding": "identity"}  # a compressor would hold events back
        if self.server.key:
            headers["Authorization"] = f"Bearer {self.server.key}"
        return httpx2.Client(
            base_url=self.server.url + "v1/", headers=headers, **http_options(self.server)
        )

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        timeout: float | None,
        stream: bool = False,
    ) -> httpx2.Response:
        connect = CONNECT_TIMEOUT if timeout is None else min(timeout, CONNECT_TIMEOUT)

        def attempt(http: httpx2.Client) -> httpx2.Response:
            headers = {"Accept": "application/json"}
            if stream:  # a socket of its own, which `EventStream.close` may shut down
                headers = {"Accept": "text/event-stream", "Connection": "close"}
            content = None
            if body is not None:
                content = json.dumps(body).encode()  # takes strings like `Reply`, msgspec does not
                headers["Content-Type"] = "application/json"
            request = http.build_request(
                method,
                path,
                content=content,
                headers=headers,
                timeout=httpx2.Timeout(timeout, connect=connect),
            )
            return self._checked(http, request, stream)

        http = self._http
        try:
            return attempt(http)
        except (ServerNotFound, Unauthorized) as error:
            # Neither has changed anything there, so any request may be sent again.
            if error.code == "forbidden" or not self._find_again(http):
                raise
            return attempt(self._http)

    def _checked(
        self, http: httpx2.Client, request: httpx2.Request, stream: bool
    ) -> httpx2.Response:
        if http.is_closed:
            raise ConnectionLost("This client was closed; make another one with connect().")
        try:
            response = http.send(request, stream=stream)
            if response.is_success:
                return response
            response.read()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise ServerNotFound(
                f"No connection to {self.server.url}: {error}. Start the server, or name another "
                "one: connect(url, token) or the variable A3S_POWER_URL."
            ) from error
        except httpx2.TimeoutException as error:
            raise ConnectionLost(
                f"The server at {self.server.url} did not answer in time; it may be overloaded."
            ) from error
        except httpx2.TransportError as error:
            raise ConnectionLost(
                f"The server at {self.server.url} closed the connection without a reply. "
                "It may have been stopped; try again."
            ) from error
        raise _error_of(response, self.server.url)

    def _find_again(self, refused: httpx2.Client) -> bool:
        """Whether the server turned up under a new address or key; of the threads that were
        `refused` by the old one, the first looks for all."""
        if self._find is None:
            return False
        with self._finding:
            if self._http is not refused:
                return True
            found = self._find()
            if (found.url, found.key) == (self.server.url, self.server.key):
                return False
            self._old.append(refused)
            self.server = found
            self._http = self._open()
        return True


def _error_of(response: httpx2.Response, url: str) -> PowerError:
    try:
        wire = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        wire = None
    if isinstance(wire, dict) and isinstance(wire.get("error"), dict):
        return from_wire(wire["error"])
    if response.status_code in (401, 403):
        return Unauthorized(f"The server at {url} refuses the token. Pass the right one.")
    return ServerNotFound(
        f"The server at {url} answered {response.status_code} and not as this extension does. "
        "Is a3s_power_jupyter enabled there (`jupyter server extension list`)?"
    )
