"""Where the bytes of one file come from: the hub, or the host that it redirects to."""

from __future__ import annotations

import http.client
import re
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin

from ...contract.errors import HubError, HubUnauthorized
from ..resolve.plan import RemoteFile
from .exceptions import ContentChanged, Transient
from .http_client import Client, Origin, failed, origin_of

#: Redirects within the hub before it counts as a loop.
MAX_REDIRECTS = 5

_REDIRECTS = (301, 302, 303, 307, 308)
_CROWDED = (403, 429, 503)
_HASH = re.compile(r'(?:W/)?"?([0-9a-f]{64}|[0-9a-f]{40})"?')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Source:
    """One file at the hub. Safe among threads, each with a `Client` of its own.

    The hub is asked once where the file is, with the token; its answer is used until the host
    it named refuses it, as hosts do when a signed link is too old.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._hub: Origin = origin_of(file.url)
        self._link: str | None = None
        self._lock = threading.Lock()

    def open(self, client: Client, start: int, end: int) -> Body:
        """Ask for the bytes ``[start, end)``.

        Raises
        ------
        Transient, ContentChanged, HubError, HubUnauthorized
        """
        link = self._find(client)
        try:
            return self._body(self._get(client, link, start, end), start, end)
        except Transient as fault:
            if fault.stale:
                self._forget(link)
            raise

    def _get(self, client: Client, url: str, start: int, end: int) -> http.client.HTTPResponse:
        for _ in range(MAX_REDIRECTS):
            response = client.request("GET", url, {"Range": f"bytes={start}-{end - 1}"})
            if response.status not in _REDIRECTS:
                return response
            response.read()
            url = _target(url, response)
        raise Transient("the redirects lead in circles", stale=True)

    def _find(self, client: Client) -> str:
        with self._lock:  # one asks, the others wait for the answer
            if self._link is None:
                self._link = self._resolve(client)
            return self._link

    def _forget(self, link: str) -> None:
        with self._lock:
            if self._link == link:
                self._link = None

    def _resolve(self, client: Client) -> str:
        """Follow the hub's redirects up to the first that leads elsewhere."""
        url = self._file.url
        for _ in range(MAX_REDIRECTS):
            response = client.request("HEAD", url, {})
            response.read()
            self._check_identity(response)
            if response.status not in _REDIRECTS:
                if response.status == HTTPStatus.OK:
                    return url
                raise _refusal(response, by_hub=True)
            url = _target(url, response)
            if origin_of(url) != self._hub:
                return url
        raise Transient("the redirects lead in circles")

    def _check_identity(self, response: http.client.HTTPResponse) -> None:
        """The hub's ETag is the hash of the content; what another server between makes of it is
        none, and says nothing."""
        etag = response.headers["X-Linked-Etag"]
        if etag is None and response.status == HTTPStatus.OK:
            etag = response.headers["ETag"]
        found = _HASH.fullmatch(etag or "")
        if found and found[1] != self._file.etag:
            raise ContentChanged

    def _body(self, response: http.client.HTTPResponse, start: int, end: int) -> Body:
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(response.headers["Content-Range"] or "")
            if match is None or [*map(int, match.groups())] != [start, end - 1, self._file.size]:
                raise Transient("other bytes were sent than were asked for", stale=True)
            return Body(response, start, ranged=True)
        if response.status == HTTPStatus.OK:
            length = response.headers["Content-Length"]
            if length is not None and length != str(self._file.size):
                raise Transient(f"{length} bytes and not {self._file.size} were sent", stale=True)
            return Body(response, 0, ranged=False)
        raise _refusal(response, by_hub=False)


class Body:
    """Bytes that come, from `position` on; `ranged` is False where all are sent, unasked."""

    def __init__(self, response: http.client.HTTPResponse, position: int, *, ranged: bool) -> None:
        self.position = position
        self.ranged = ranged
        self._response = response

    def read(self, limit: int) -> bytes:
        """What has come, up to `limit` bytes, and at least one.

        Raises
        ------
        Transient
            The connection ended, or nothing came for too long.
        """
        try:
            data = self._response.read1(limit)
        except (OSError, http.client.HTTPException) as error:
            raise failed(error) from None
        if not data:
            raise Transient("the connection was closed in the middle")
        self.position += len(data)
        return data


def _target(url: str, response: http.client.HTTPResponse) -> str:
    """Where a redirect leads."""
    location: str = response.headers["Location"] or ""
    return urljoin(url, location)


def _refusal(
    response: http.client.HTTPResponse, *, by_hub: bool
) -> Transient | HubError | HubUnauthorized:
    """What an answer without the file means. A refusal by the host behind a link is no word of
    the hub: the link may be too old."""
    status = response.status
    if by_hub and status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return HubUnauthorized(
            f"The hub refuses the file (status {status}). Ask for access on the model's page, and "
            "give a token that has it: in the request, as HF_TOKEN, or with `hf auth login`."
        )
    if by_hub and status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return HubError("The hub has the file no more. Pull the model again.")
    return Transient(
        f"status {status}",
        wait=_retry_after(response),
        crowded=status in _CROWDED,
        stale=status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS,
    )


def _retry_after(response: http.client.HTTPResponse) -> float | None:
    """Seconds of ``Retry-After``, which is a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers["Retry-After"]
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:  # as in "-0000": the time is UTC
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
