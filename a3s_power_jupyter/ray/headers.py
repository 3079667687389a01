"""The headers of requests and replies that are passed on, and the token in them."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qs

from ..handlers.auth import token_in

Headers = list[tuple[bytes, bytes]]

#: Headers of one connection (RFC 9110, section 7.6.1, and those of proxies).
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
#: Headers of requests that are made anew or mean something to this server only. Without cookies,
#: the token is the only way to authenticate.
_NOT_FORWARDED = frozenset((b"content-length", b"expect", b"cookie"))


def request_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of a request to send on."""
    return [(name, value) for name, value in _end_to_end(headers) if name not in _NOT_FORWARDED]


def reply_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of a reply to send on, without cookies, which requests cannot have."""
    return [(name, value) for name, value in _end_to_end(headers) if name != b"set-cookie"]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    found = [(name.lower(), value) for name, value in headers]
    listed = b",".join(value for name, value in found if name == b"connection")
    hidden = _HOP_BY_HOP | {name.strip().lower() for name in listed.split(b",")}
    return [(name, value) for name, value in found if name not in hidden]


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """Return the first header of a name, or ``""``."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


def has_token(headers: Headers, query: str, token: str) -> bool:
    """Return whether a request has the token, where ``jupyter power`` accepts it."""
    given = [
        token_in(header(headers, b"authorization")),
        header(headers, b"x-api-key").strip(),
        *parse_qs(query).get("token", []),
    ]
    return any(hmac.compare_digest(text.encode(), token.encode()) for text in given)
