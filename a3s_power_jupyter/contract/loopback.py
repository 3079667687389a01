"""Recognize addresses of this machine, which must not be requested through a proxy.

``HTTP_PROXY`` is often set without a ``NO_PROXY`` for this machine. The proxy would receive the
request with its key, and look for the server on its own machine.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from urllib.request import proxy_bypass


def is_loopback(host: str) -> bool:
    """Return whether `host`, the host of a URL, is this machine by definition.

    It is for ``localhost`` and the names below it (RFC 6761), 127.0.0.0/8 and ``::1`` in any
    spelling, and 0.0.0.0 and ``::``, which connect to this machine.
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _is_short_loopback(name)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def is_direct(host: str) -> bool:
    """Return whether requests to `host`, the host of a URL, use no proxy of the environment.

    This machine is never requested through a proxy. For others, ``NO_PROXY`` has names, domains,
    addresses, and networks such as ``10.0.0.0/8``, which httpx does not support.
    """
    name = host.lower().rstrip(".")
    if is_loopback(host) or name == socket.gethostname().lower():
        return True
    return bool(proxy_bypass(name)) or _is_in_excluded_network(name)


def _is_in_excluded_network(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for text in excluded.replace(" ", ",").split(","):
        try:
            if text and address in ipaddress.ip_network(text.strip("[]"), strict=False):
                return True
        except ValueError:  # a name
            continue
    return False


def _is_short_loopback(name: str) -> bool:
    """Return whether `name` is a short form of a loopback address, such as ``127.1``."""
    if not name[:1].isdigit():  # inet_aton may not accept names, but do not rely on it
        return False
    try:
        packed = socket.inet_aton(name)
    except OSError:
        return False
    return packed[0] == 127 or packed == bytes(4)
