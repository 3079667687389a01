"""Check the addresses that the hub redirects to, and find their proxies."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from ...contract.errors import HubError
from ...contract.loopback import is_loopback
from .retries import Transient

Origin = tuple[str, str, int]

PORTS = {"http": 80, "https": 443}

#: Characters of a URL that are not escaped, besides letters and digits (RFC 3986, section 2).
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=-._~"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def origin_of(url: str) -> Origin:
    """Return scheme, host and port, which decide whether a token is sent.

    Raises
    ------
    HubError
        If `url` is not an http or https URL.
    """
    with suppress(ValueError):  # not a valid host, or a port that is not a number
        parts = urlsplit(url)
        if parts.scheme in PORTS and parts.hostname and parts.hostname.isprintable():
            return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]
    raise HubError(
        "The hub's address, or one that it redirects to, is not a valid http or https URL. Check "
        "HF_ENDPOINT and the proxy settings."
    )


def redirect_target(hub: Origin, url: str, location: str) -> str:
    """Return the URL that a redirect leads to.

    Whoever controls the hub's replies must not be able to send requests from this machine into
    its network. A hub on the internet may therefore not redirect to addresses that are not on the
    internet, and no hub to link-local ones, where cloud providers keep credentials.

    Parameters
    ----------
    hub : Origin
        The hub that started the chain of redirects.
    url : str
        The URL that was requested.
    location : str
        The header ``Location``, relative or not, in which characters need not be escaped.

    Raises
    ------
    HubError
        If the URL is not an http or https URL, or its address is not allowed.
    Transient
        If its host cannot be looked up.
    """
    target = ""
    with suppress(ValueError):
        target = urljoin(url, quote(location.strip(), safe=_URL_CHARACTERS))
    origin = origin_of(target)
    if origin[1] != hub[1]:
        _check(hub, origin, _addresses(origin))
    return target


def check_connected(hub: Origin, origin: Origin, connected: socket.socket) -> None:
    """Check the address of a connection without a proxy, as `redirect_target` does.

    The host name may have resolved to another address during that check.
    """
    if origin[1] != hub[1]:
        _check(hub, origin, (_plain(ipaddress.ip_address(connected.getpeername()[0])),))


def _check(hub: Origin, origin: Origin, addresses: Iterable[IPAddress]) -> None:
    linked = any(address.is_link_local for address in addresses)
    inside = any(not address.is_global for address in addresses)
    if linked or (inside and all(address.is_global for address in _addresses(hub))):
        raise HubError(
            f"The hub redirects to {origin[1][:100]}, which is an address on this machine or in "
            "its network. Check HF_ENDPOINT and the proxy settings."
        )


def proxy_of(origin: Origin) -> SplitResult | None:
    """Return the proxy that the environment defines; None for this machine."""
    scheme, host, port = origin
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or is_loopback(host) or proxy_bypass(f"{host}:{port}"):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")


@cache
def _addresses(origin: Origin) -> tuple[IPAddress, ...]:
    """Return the addresses of a host; none if the proxy looks them up."""
    _, host, port = origin
    try:
        return (_plain(ipaddress.ip_address(host)),)
    except ValueError:
        pass
    if proxy_of(origin) is not None:
        return ()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise Transient(f"The host {host[:100]} cannot be found") from None
    return tuple(_plain(ipaddress.ip_address(str(address[0]))) for *_, address in found)


def _plain(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address
