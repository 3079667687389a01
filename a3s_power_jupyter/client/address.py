"""The address and credentials of a server, and how to connect to it."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from ..contract.loopback import is_direct
from ..contract.redaction import Redactor


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Address and credentials of a server.

    Attributes
    ----------
    url : str
        Base URL with a trailing slash, without ``v1``.
    key : str or None
        Bearer token: the key in the runtime file, or a Jupyter token.
    pid, hostname, machine, version, certfile, sock, headless : optional
        As in `contract.runtime_info.RuntimeInfo`; unset if the user gave the URL of the server.
    found : str
        Description of how the server was found.
    """

    url: str
    key: str | None = None
    pid: int | None = None
    hostname: str | None = None
    version: str | None = None
    certfile: str | None = None
    sock: str | None = None
    machine: str | None = None
    headless: bool = False
    found: str = ""

    def __repr__(self) -> str:
        return f"<Server {self.display_url}, {self.found}>"  # without the key

    @property
    def display_url(self) -> str:
        """`url` without user and password."""
        return Redactor(self.key)(self.url)


def http_options(server: Server) -> dict[str, Any]:
    """Return the keyword arguments for an ``httpx2.Client`` that connects to `server`."""
    address = urlsplit(server.url)
    # Creating a TLS context takes longer than a request, so it is skipped for plain HTTP.
    verify: ssl.SSLContext | bool = address.scheme == "https"
    if server.certfile:
        verify = _trust_only(server.certfile)
    is_local = server.pid is not None or is_direct(address.hostname or "")
    options: dict[str, Any] = {"verify": verify, "trust_env": not is_local}
    if server.sock:
        options["transport"] = httpx2.HTTPTransport(uds=server.sock, verify=verify)
    return options


def _trust_only(certfile: str) -> ssl.SSLContext:
    """Return a TLS context that accepts only the certificates in `certfile`.

    Host names are not checked, because certificates rarely cover the loopback address.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trust a leaf certificate
    context.load_verify_locations(certfile)
    return context
