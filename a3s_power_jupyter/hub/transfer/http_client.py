"""HTTP connections for large bodies: one a thread, kept alive, read straight into our hands.

This is `http.client` and not httpx2, which the metadata goes through, because a byte costs a
quarter of the CPU time here (measured on loopback: 0.75 s against 2.05 s for 500 MB written to
disk; curl takes 1.2 s). Proxies and certificates are those that httpx2 would use.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from contextlib import suppress
from functools import cache
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from ... import __version__
from ...contract.errors import HubError
from .exceptions import Transient

#: Seconds until a connection must stand.
CONNECT_TIMEOUT = 10.0

Origin = tuple[str, str, int]

_PORTS = {"http": 80, "https": 443}
_USER_AGENT = f"a3s-power-jupyter/{__version__}"


def origin_of(url: str) -> Origin:
    """Scheme, host and port: what a token is for.

    Raises
    ------
    Transient
        It is no http or https URL.
    """
    parts = urlsplit(url)
    with suppress(ValueError):  # the port is no number
        if parts.scheme in _PORTS and parts.hostname:
            return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    raise Transient("the hub sent us to an address that is no http or https URL")


class Client:
    """Requests one after the other, over one connection as long as they go to one origin.

    Parameters
    ----------
    stall : seconds without a byte after which a connection is given up.
    hub : origin that alone is sent `token`.
    """

    def __init__(self, stall: float, hub: Origin, token: str | None) -> None:
        self._stall = stall
        self._hub = hub
        self._token = token
        self._origin: Origin | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._socket: socket.socket | None = None  # which a response may take from the connection

    def request(self, method: str, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send a request and read the headers of the answer; redirects are not followed.

        A body that was not read to its end ends the connection.

        Raises
        ------
        Transient
        HubError
            The certificate of the host, or the proxy, cannot be used.
        """
        origin = origin_of(url)
        if self._is_reusable(origin):
            with suppress(Transient):  # the other side may have ended it while it was idle
                return self._exchange(method, url, headers)
        self._open(origin)
        return self._exchange(method, url, headers)

    def abort(self) -> None:
        """End what another thread waits for."""
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._origin = self._connection = self._response = self._socket = None

    def _is_reusable(self, origin: Origin) -> bool:
        response = self._response
        if response is not None and response.length == 0:
            response.read()  # of nothing: until then http.client does not see that it is over
        done = response is not None and response.isclosed()
        alive = self._connection is not None and self._connection.sock is not None
        return origin == self._origin and done and alive

    def _open(self, origin: Origin) -> None:
        self.close()
        self._origin = origin
        self._connection = connection = _connection(origin)
        try:
            connection.connect()
            self._socket = connection.sock
            self._socket.settimeout(self._stall)
        except ssl.SSLCertVerificationError as error:
            raise HubError(
                f"The certificate of {origin[1]} is not trusted ({error.verify_message}). If a "
                "proxy of yours makes its own, set SSL_CERT_FILE to the file of its authority."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise failed(error) from None

    def _exchange(self, method: str, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection, self._response = self._connection, None
        if connection is None or connection.sock is None:
            raise Transient("the connection was closed")  # by `abort`
        target, more = _target(url)
        more |= {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
        if self._token is not None and self._origin == self._hub:
            more["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, target, headers=more | headers)
            self._response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise failed(error) from None
        return self._response


def failed(error: OSError | http.client.HTTPException) -> Transient:
    """What went wrong, in words and without a URL."""
    if isinstance(error, TimeoutError):
        return Transient("no byte came any more")
    if isinstance(error, OSError) and error.strerror:
        return Transient(error.strerror)
    return Transient(f"the connection failed ({type(error).__name__})")


def _connection(origin: Origin) -> http.client.HTTPConnection:
    """A connection, through a proxy where the environment says so; not open yet."""
    scheme, host, port = origin
    proxy = _proxy(origin)
    if proxy is None:
        return _direct(scheme, host, port)
    address = _address(proxy)
    if address is None or (proxy.scheme, scheme) == ("https", "https"):
        raise HubError(
            f"The proxy for {scheme} in the environment cannot be used: give it as "
            "http://host:port."
        )
    if scheme == "http":
        return _direct(proxy.scheme, *address)
    connection = http.client.HTTPSConnection(
        *address, timeout=CONNECT_TIMEOUT, context=_certificates()
    )
    connection.set_tunnel(host, port, _proxy_headers(proxy))
    return connection


def _direct(scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT)
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT, context=_certificates())


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def _proxy(origin: Origin) -> SplitResult | None:
    scheme, host, port = origin
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(f"{host}:{port}"):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")


def _address(proxy: SplitResult) -> tuple[str, int] | None:
    with suppress(ValueError):  # the port is no number
        if proxy.scheme in _PORTS and proxy.hostname:
            return proxy.hostname, proxy.port or _PORTS[proxy.scheme]
    return None


def _target(url: str) -> tuple[str, dict[str, str]]:
    """What a request line asks for, and headers for the proxy that it goes to, if any."""
    parts = urlsplit(url)
    proxy = _proxy(origin_of(url))
    if parts.scheme == "http" and proxy is not None:
        return url, _proxy_headers(proxy)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), {}


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
