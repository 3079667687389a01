"""Request metadata from the hub, with bounds on the size, the duration and the repetitions.

``HF_ENDPOINT`` may point to any server. huggingface_hub's own requests read replies of any size,
decompress them, and wait for as long as ``Retry-After`` demands.
"""

from __future__ import annotations

import itertools
import time
from typing import Literal

import httpx2
from huggingface_hub.utils import get_session, hf_raise_for_status, parse_ratelimit_headers

from ...contract.errors import HubError, parse_retry_after

TIMEOUT = 30.0  # seconds without a byte
DEADLINE = 120.0  # seconds for the body of one reply
RETRIES = 3  # after 1, 2 and 4 seconds, or when the hub says

#: Longest wait before a repetition, in seconds. The hub's rate limits apply to 5 minutes.
MAX_WAIT = 300.0
#: Largest reply of the API, in bytes. A page of a listing has less than 1 MB.
MAX_REPLY = 16 << 20
#: Bytes of an error's body to read; the hub describes errors in headers.
MAX_ERROR = 64 << 10
#: More redirects than this count as a loop.
MAX_REDIRECTS = 5

_TEMPORARY = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
_TEMPORARY_STATUS = (408, 429, 500, 502, 503, 504)
#: Headers that do not apply to a body that has been read.
_TRANSFER_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


def request(
    method: Literal["GET", "HEAD"],
    url: str,
    token: str | None,
    *,
    params: dict[str, str] | None = None,
    limit: int = MAX_REPLY,
    follow_redirects: bool = True,
) -> httpx2.Response:
    """Return the successful reply to a request, whose body has been read.

    Parameters
    ----------
    token : str or None
        Token of the hub, which is not sent to another host that it redirects to.
    limit : int
        Bytes that the body may have.

    Raises
    ------
    HfHubHTTPError
        If the status of the reply is an error.
    httpx2.HTTPError
        If the hub cannot be reached.
    HubError
        If the reply is too large, too slow or compressed.
    """
    for attempt in itertools.count():
        wait = float(2**attempt)
        try:
            reply = _follow(method, url, token, params, limit, follow_redirects)
        except _TEMPORARY:
            if attempt == RETRIES:
                raise
        else:
            wait = _requested_wait(reply, wait)
            is_final = reply.status_code not in _TEMPORARY_STATUS or attempt == RETRIES
            if is_final or wait > MAX_WAIT:
                hf_raise_for_status(reply)
                return reply
        time.sleep(wait)
    raise AssertionError("unreachable")


def _requested_wait(reply: httpx2.Response, default: float) -> float:
    limits = parse_ratelimit_headers(reply.headers) if reply.status_code == 429 else None
    if limits is not None and limits.remaining == 0:
        return float(limits.reset_in_seconds)
    seconds = parse_retry_after(reply.headers.get("Retry-After", ""))
    return default if seconds is None else float(seconds)


def _follow(
    method: Literal["GET", "HEAD"],
    url: str,
    token: str | None,
    params: dict[str, str] | None,
    limit: int,
    follow_redirects: bool,
) -> httpx2.Response:
    headers = {"Accept-Encoding": "identity"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    for _ in range(MAX_REDIRECTS + 1):
        with get_session().stream(
            method, url, params=params, headers=headers, timeout=TIMEOUT, follow_redirects=False
        ) as streamed:
            reply = _read(streamed, limit)
        redirect = streamed.next_request
        if redirect is None or not follow_redirects:
            return reply
        url, params = str(redirect.url), None
        if "Authorization" not in redirect.headers:  # removed by httpx2: another host
            headers.pop("Authorization", None)
    raise HubError("The hub redirects in a loop. Check HF_ENDPOINT and the proxy settings.")


def _read(streamed: httpx2.Response, limit: int) -> httpx2.Response:
    """Read the body, only its beginning if it is not that of a success."""
    body = bytearray()
    encoding = streamed.headers.get("Content-Encoding", "identity")
    if encoding.lower() == "identity":
        limit = limit if streamed.is_success else MAX_ERROR
        deadline = time.monotonic() + DEADLINE
        for chunk in streamed.iter_raw():
            body += chunk
            if len(body) > limit and not streamed.is_success:
                break
            if len(body) > limit:
                raise HubError(
                    f"A reply of the hub is larger than {limit:,} bytes. Check HF_ENDPOINT and the "
                    "proxy settings."
                )
            if time.monotonic() > deadline:
                raise HubError(
                    f"A reply of the hub takes more than {DEADLINE:g} seconds. Try again later."
                )
    elif streamed.is_success and streamed.request.method != "HEAD":
        raise HubError(
            "The hub, or a proxy, compresses replies although the request excludes it, so that "
            "their size is unknown. Check HF_ENDPOINT and the proxy settings."
        )
    headers = [
        (name, value)
        for name, value in streamed.headers.multi_items()
        if name.lower() not in _TRANSFER_HEADERS
    ]
    return httpx2.Response(
        streamed.status_code, headers=headers, content=bytes(body), request=streamed.request
    )
