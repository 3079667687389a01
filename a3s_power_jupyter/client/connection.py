"""Send HTTP requests to one server: authentication, errors, event streams, reconnection."""

from __future__ import annotations

import json
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx2
import msgspec

from ..contract import sse
from ..contract.errors import ConnectionLost, PowerError, ServerNotFound, Unauthorized, from_wire
from ..contract.redaction import Redactor
from ..contract.spelling import in_python
from ..contract.text import printable, unstopped
from ..contract.tracebacks import quieten
from .address import Server, http_options
from .replies import converted, decoded

#: Seconds to open a TCP connection. Servers are on this machine or near it.
CONNECT_TIMEOUT = 5.0
#: Seconds to wait for replies that need neither a model nor a large file.
DEFAULT_TIMEOUT = 60.0


class EventStream:
    """Iterator over the events of one SSE reply.

    Closing it closes the connection, which cancels the request in the server. If another thread
    closes it, the thread that waits for events raises `ConnectionLost`.

    Parameters
    ----------
    if_interrupted : str
        What an interrupt says about the request, if it goes on in the server.
    """

    def __init__(self, response: httpx2.Response, if_interrupted: str = "") -> None:
        self._response = response
        self._if_interrupted = if_interrupted

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: iterate over it to get the events>"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the events up to ``[DONE]`` or the end of the reply.

        Yields
        ------
        dict
            The JSON object of an event.

        Raises
        ------
        PowerError
            If the server sends an error event, or something other than JSON objects.
        ConnectionLost
            If the connection is closed before the reply is complete.
        """
        try:
            for data in sse.iter_events(self._response.iter_raw()):
                if data == b"[DONE]":
                    return
                event = decoded(data, dict[str, Any])
                if "error" in event:
                    raise _raised(converted(event["error"], dict[str, Any]))
                yield event
        except (httpx2.TransportError, httpx2.StreamClosed):
            raise ConnectionLost(
                "The server closed the connection before its reply was complete. "
                "It may have been stopped; try again."
            ) from None
        except KeyboardInterrupt as interrupt:
            _note(quieten(interrupt), self._if_interrupted)
            raise
        finally:
            self.close()

    def close(self) -> None:
        if not self._response.is_closed:
            self._wake_reader()
        self._response.close()

    def _wake_reader(self) -> None:
        """Shut down the socket, because closing it does not interrupt a reading thread."""
        stream = self._response.extensions.get("network_stream")
        if stream is not None:
            with suppress(OSError):  # already closed by the server
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class Connection:
    """Thread-safe HTTP connection to one server. It survives a restart of the server.

    Parameters
    ----------
    find : callable, optional
        Returns the server's new address and key. It is called if the server does not respond or
        refuses the key, as after a restart. None for a server chosen by the user.
    """

    def __init__(self, server: Server, find: Callable[[], Server] | None = None) -> None:
        self.server = server
        self._find = find
        self._finding = threading.Lock()
        self._http = self._open()
        self._old: list[httpx2.Client] = []  # other threads may still be reading from these

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> bytes:
        """Send a request, with `body` as JSON, and return the body of the reply.

        Parameters
        ----------
        path : str
            Path below ``v1/``, percent-encoded.
        timeout : float or None
            Seconds to wait for data from the server; None waits forever.

        Raises
        ------
        PowerError
            If the server replies with an error.
        ServerNotFound
            If the server does not accept connections, or does not have this extension.
        ConnectionLost
            If the connection is closed or times out before the reply is complete.
        """
        __tracebackhide__ = True  # IPython leaves these frames out of tracebacks
        return self._send(method, path, body=body, timeout=timeout).content

    def stream(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        timeout: float | None = None,
        if_interrupted: str = "",
    ) -> EventStream:
        """Send a request and return the events of the reply.

        Parameters and errors are those of `request` and `EventStream`. If the server refuses the
        request, the error is raised here and not by the iteration.
        """
        __tracebackhide__ = True
        try:
            response = self._send(method, path, body=body, timeout=timeout, stream=True)
        except KeyboardInterrupt as interrupt:
            _note(interrupt, if_interrupted)
            raise
        return EventStream(response, if_interrupted)

    def close(self) -> None:
        for http in (self._http, *self._old):
            http.close()

    def _open(self) -> httpx2.Client:
        headers = {"Accept-Encoding": "identity"}  # compression would delay events
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
        __tracebackhide__ = True
        connect = CONNECT_TIMEOUT if timeout is None else min(timeout, CONNECT_TIMEOUT)

        def attempt(http: httpx2.Client) -> httpx2.Response:
            __tracebackhide__ = True
            headers = {"Accept": "application/json"}
            if stream:  # not pooled, so that `EventStream.close` can shut the socket down
                headers = {"Accept": "text/event-stream", "Connection": "close"}
            content = None
            if body is not None:
                content = json.dumps(body).encode()  # msgspec does not encode `Reply`
                headers["Content-Type"] = "application/json"
            request = http.build_request(
                method,
                path,
                content=content,
                headers=headers,
                timeout=httpx2.Timeout(timeout, connect=connect),
            )
            return self._send_checked(http, request, stream)

        http = self._http
        try:
            return attempt(http)
        except (ServerNotFound, Unauthorized) as error:
            # The server has not processed the request, so it can be sent again.
            if error.code == "forbidden" or not self._reconnect(http):
                raise
            return attempt(self._http)

    def _send_checked(
        self, http: httpx2.Client, request: httpx2.Request, stream: bool
    ) -> httpx2.Response:
        __tracebackhide__ = True
        if http.is_closed:
            raise ConnectionLost("This client is closed. Create a new one with connect().")
        # Exceptions are not chained: their texts may contain the key.
        try:
            response = http.send(request, stream=stream)
            if not response.is_success:
                response.read()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            reason = unstopped(Redactor(self.server.key)(str(error)))
            raise ServerNotFound(
                f"Could not connect to {self.server.display_url}: {reason}. Start the server, or "
                "choose another one: connect(url, token), or the environment variable "
                "A3S_POWER_URL."
            ) from None
        except httpx2.TimeoutException:
            raise ConnectionLost(
                f"The server at {self.server.display_url} did not respond in time. It may be "
                "overloaded; try again."
            ) from None
        except KeyboardInterrupt as interrupt:
            quieten(interrupt)
            raise
        except httpx2.TransportError:
            raise ConnectionLost(
                f"The server at {self.server.display_url} closed the connection without a reply. "
                "It may have been stopped; try again."
            ) from None
        return _checked(response, self.server.display_url)

    def _reconnect(self, failed: httpx2.Client) -> bool:
        """Find the server again and return whether its address or key has changed.

        `failed` is the HTTP client of the failed request. If several threads fail, only the first
        one searches.
        """
        if self._find is None:
            return False
        with self._finding:
            if self._http is not failed:
                return True
            server = self._find()
            if (server.url, server.key) == (self.server.url, self.server.key):
                return False
            self._old.append(failed)
            self.server = server
            self._http = self._open()
        return True


def _note(interrupt: KeyboardInterrupt, text: str) -> None:
    if text:
        interrupt.add_note(text)


def _checked(response: httpx2.Response, url: str) -> httpx2.Response:
    """Return a reply, or raise its error, where a traceback has no lines about other errors."""
    __tracebackhide__ = True
    if not response.is_success:
        raise _error_of(response, url)
    _warn_of_ignored(response)
    return response


def _warn_of_ignored(response: httpx2.Response) -> None:
    """Warn of the fields of an inference request that the server does not know, such as typos."""
    if names := response.headers.get("X-Power-Ignored"):
        warnings.warn(
            f"The server ignored fields of the request: {printable(names)}. Check their spelling.",
            stacklevel=_depth_of_caller(),
        )


def _depth_of_caller() -> int:
    """Return the ``stacklevel`` in the calling function of the code that uses this package."""
    package = __name__.partition(".")[0]
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == package:
        frame, depth = frame.f_back, depth + 1
    return depth


def _raised(wire: dict[str, Any]) -> PowerError:
    """Return the error of a reply, with settings in its message as in Python."""
    return from_wire({**wire, "message": in_python(str(wire.get("message", "Unknown error.")))})


def _error_of(response: httpx2.Response, url: str) -> PowerError:
    try:
        wire = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        wire = None
    if isinstance(wire, dict) and isinstance(wire.get("error"), dict):
        return _raised(wire["error"])
    if response.status_code in (401, 403):
        return Unauthorized(f"The server at {url} rejected the token. Check the token.")
    return ServerNotFound(
        f"The server at {url} replied with HTTP status {response.status_code}, and the reply is "
        "not from this extension. Check that a3s_power_jupyter is enabled there: "
        "`jupyter server extension list`."
    )
