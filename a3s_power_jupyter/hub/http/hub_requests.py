"""Request metadata from the hub, with limits on size, duration and retries.

``HF_ENDPOINT`` may point to any server. huggingface_hub's own requests read replies of any size,
decompress them, and wait for as long as ``Retry-After`` demands.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, TypeVar

import httpx2
from huggingface_hub.utils import get_session, hf_raise_for_status, parse_ratelimit_headers

from ...contract.errors import HubError
from ...contract.loopback import is_loopback
from ...contract.retry_after import MAX_RETRY_AFTER, parse_retry_after
from .addresses import Origin, origin_of, redirect_target
from .retries import MAX_WAIT, PATIENCE, Retry, Stopped, Transient

TIMEOUT = 30.0  # seconds without a byte
DEADLINE = 120.0  # seconds for one reply, from the connection to the end of its body
ATTEMPTS = 4  # after 1, 2 and 4 seconds, or when the hub says

#: Largest reply of the API, in bytes. A page of a listing has less than 1 MB.
MAX_REPLY = 16 << 20
#: More redirects than this count as a loop.
MAX_REDIRECTS = 5
#: Seconds between two checks whether the pull is being paused.
POLL = 0.1

_TEMPORARY = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
_TEMPORARY_STATUS = (408, 429, 500, 502, 503, 504)
#: Headers that do not apply to a body that has been read.
_TRANSFER_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")

T = TypeVar("T")

Params = dict[str, str | list[str]]


@dataclass(frozen=True)
class Limits:
    """How long to wait for the hub, in seconds.

    Attributes
    ----------
    attempts : int
        Number of times that a request is sent.
    timeout : float
        Longest time without a byte.
    deadline : float
        Longest time for one reply, from the connection to the end of its body.
    wait : float
        Longest wait that the hub may ask for.
    """

    attempts: int
    timeout: float
    deadline: float
    wait: float


class Request(NamedTuple):
    """A request; its reply may have `limit` bytes. `left` is set once nobody waits for it."""

    method: Literal["GET", "HEAD"]
    url: str
    params: Params | None
    headers: dict[str, str]
    limit: int
    left: threading.Event


class HubRequests:
    """Sends requests for metadata, with the token, and repeats those that fail.

    Parameters
    ----------
    token : str or None
        Token of the hub, which is not sent to another host that it redirects to.
    stop : threading.Event
        Set to pause the pull, which ends a request and a wait at once.
    on_retry : callable
        Called before a request is repeated, and with None once it was successful.
    limits : Limits or None
        Default: those of a pull, which waits for minutes.
    """

    def __init__(
        self,
        token: str | None,
        stop: threading.Event | None = None,
        on_retry: Callable[[Retry | None], None] = lambda retry: None,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits(ATTEMPTS, TIMEOUT, DEADLINE, MAX_WAIT)
        self._token = token
        self._stop = stop or threading.Event()
        self._on_retry = on_retry

    def send(
        self,
        method: Literal["GET", "HEAD"],
        url: str,
        *,
        params: Params | None = None,
        headers: dict[str, str] | None = None,
        limit: int = MAX_REPLY,
        follow_redirects: bool = True,
    ) -> httpx2.Response:
        """Return the successful reply to a request, whose body has been read.

        Parameters
        ----------
        headers : dict of str to str
            Further headers.
        limit : int
            Bytes that the body may have.

        Raises
        ------
        HfHubHTTPError
            If the status of the reply is an error.
        httpx2.HTTPError
            If the hub cannot be reached.
        HubError
            If the reply is too large, too slow or compressed, or redirects to an address that is
            not allowed or cannot be found.
        Stopped
            If the pull is paused.
        """
        request = Request(method, url, params, headers or {}, limit, threading.Event())
        try:
            return self._repeat(request, follow_redirects)
        finally:
            request.left.set()

    def _repeat(self, request: Request, follow_redirects: bool) -> httpx2.Response:
        """Send a request until it is successful, or must not be repeated; see `send`."""
        started = time.monotonic()
        attempts = self._limits.attempts
        for attempt in range(1, attempts + 1):
            seconds = 2.0 ** (attempt - 1)
            is_last = attempt == attempts
            try:
                reply = self._in_time(lambda: self._follow(request, follow_redirects))
            except Transient as error:
                if is_last:
                    raise HubError(
                        f"{error.reason}. Check the network, and try again.", reason="unreachable"
                    ) from None
                reason = error.reason
            except _TEMPORARY as error:
                if is_last:
                    raise
                reason = f"The hub cannot be reached ({type(error).__name__})"
            else:
                wait = requested_wait(reply)
                seconds = seconds if wait is None else float(wait)
                patience = started + PATIENCE - time.monotonic()
                is_last = is_last or seconds > min(self._limits.wait, patience)
                if is_last or reply.status_code not in _TEMPORARY_STATUS:
                    hf_raise_for_status(reply)
                    self._on_retry(None)
                    return reply
                reason = f"The hub answers with status {reply.status_code}"
            self._on_retry(Retry(reason, time.monotonic() + seconds, attempt + 1, attempts))
            if self._stop.wait(seconds):
                raise Stopped
        raise AssertionError("unreachable")

    def _in_time(self, exchange: Callable[[], T]) -> T:
        """Call a function that blocks, for at most `Limits.deadline` seconds.

        It runs in a thread of its own, which is left behind if it takes longer: timeouts of the
        HTTP client begin again with each byte, and the lookup of a host has none. The thread ends
        with the next part of a body.
        """
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(exchange())
            except BaseException as error:
                result.set_exception(error)

        due = time.monotonic() + self._limits.deadline
        threading.Thread(target=run, name="power-hub-request", daemon=True).start()
        while not result.done():
            if self._stop.is_set():
                raise Stopped
            if time.monotonic() > due:
                raise HubError(
                    f"A reply of the hub takes more than {self._limits.deadline:g} seconds. Try "
                    "again later.",
                    reason="unreachable",
                )
            wait_for([result], timeout=POLL)
        return result.result()

    def _follow(self, request: Request, follow_redirects: bool) -> httpx2.Response:
        hub = origin_of(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            reply = self._exchange(request, hub)
            if not (follow_redirects and reply.has_redirect_location):
                return reply
            url = redirect_target(hub, str(reply.request.url), reply.headers["Location"])
            request = request._replace(url=url, params=None)
        raise HubError("The hub redirects in a loop. Check HF_ENDPOINT and the proxy settings.")

    def _exchange(self, request: Request, hub: Origin) -> httpx2.Response:
        headers = request.headers | {"Accept-Encoding": "identity"}
        origin = origin_of(request.url)
        if self._token is not None and origin == hub:
            headers["Authorization"] = f"Bearer {self._token}"
        with _client(is_loopback(origin[1])).stream(
            request.method,
            request.url,
            params=request.params,
            headers=headers,
            timeout=self._limits.timeout,
            follow_redirects=False,
        ) as streamed:
            return _read(streamed, request)


def _read(streamed: httpx2.Response, request: Request) -> httpx2.Response:
    """Read the body of a success. The hub describes errors in headers."""
    body = bytearray()
    if streamed.is_success and streamed.request.method != "HEAD":
        if streamed.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise HubError(
                "The hub, or a proxy, compresses replies although the request excludes it, so "
                "that their size is unknown. Check HF_ENDPOINT and the proxy settings."
            )
        for chunk in streamed.iter_raw():
            body += chunk
            if len(body) > request.limit:
                raise HubError(
                    f"A reply of the hub is larger than {request.limit:,} bytes. Check "
                    "HF_ENDPOINT and the proxy settings."
                )
            if request.left.is_set():
                raise Stopped
    # As bytes, because they need not be ASCII.
    headers = [
        (name, value)
        for name, value in streamed.headers.raw
        if name.lower() not in _TRANSFER_HEADERS
    ]
    return httpx2.Response(
        streamed.status_code, headers=headers, content=bytes(body), request=streamed.request
    )


@cache
def _client(is_local: bool) -> httpx2.Client:
    """Return huggingface_hub's client, or one without the environment's proxies."""
    if not is_local:
        return get_session()
    client = httpx2.Client(
        trust_env=False,
        verify=httpx2.create_ssl_context(),  # with the environment's certificates
        event_hooks=get_session().event_hooks,
    )
    atexit.register(client.close)
    return client


def requested_wait(reply: httpx2.Response) -> int | None:
    """Return the seconds to wait that a reply asks for; None if it does not."""
    with suppress(ValueError):  # a number of thousands of digits
        limits = parse_ratelimit_headers(reply.headers) if reply.status_code == 429 else None
        if limits is not None and limits.remaining == 0:
            return min(limits.reset_in_seconds, MAX_RETRY_AFTER)
    return parse_retry_after(reply.headers.get("Retry-After", ""))
