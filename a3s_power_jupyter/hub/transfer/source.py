"""Request ranges of one file from the hub, or from the host that it redirects to."""

from __future__ import annotations

import http.client
import re
import threading
from http import HTTPStatus

from ...contract.errors import HubError, HubUnauthorized
from ...contract.retry_after import parse_retry_after
from ..http.addresses import Origin, origin_of, redirect_target
from ..http.http_client import Client, to_transient
from ..http.retries import Transient
from ..resolve.repository import RemoteFile
from .exceptions import ContentChanged

#: More redirects than this count as a loop.
MAX_REDIRECTS = 5

_REDIRECTS = (301, 302, 303, 307, 308)
_OVERLOADED = (403, 429, 503)
_HASH = re.compile(r'(?:W/)?"?([0-9a-f]{64}|[0-9a-f]{40})"?')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Source:
    """One file at the hub, for several threads with one `Client` each.

    The hub is asked once, with the token, for the link to the file. The link is used until its
    host refuses it, as hosts do when a signed link has expired.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._hub: Origin = origin_of(file.url)
        self._link: str | None = None
        self._lock = threading.Lock()

    def open(self, client: Client, start: int, end: int) -> Body:
        """Request the bytes ``[start, end)``.

        Raises
        ------
        Transient
            If the request failed and may be repeated.
        ContentChanged
            If the hub's hash of the file differs from its listing.
        HubError, HubUnauthorized
            If the hub no longer has the file or refuses access.
        """
        link = self._get_link(client)
        try:
            return self._body(self._get(client, link, start, end), start, end)
        except Transient as error:
            if error.stale:
                self._forget(link)
            raise

    def _get(self, client: Client, url: str, start: int, end: int) -> http.client.HTTPResponse:
        for _ in range(MAX_REDIRECTS):
            response = client.request("GET", url, {"Range": f"bytes={start}-{end - 1}"})
            if response.status not in _REDIRECTS:
                return response
            # The body is not read, since it may have any size; the connection is closed instead.
            url = self._target(url, response)
        raise Transient("The hub redirects in a loop", stale=True)

    def _get_link(self, client: Client) -> str:
        with self._lock:  # one thread asks the hub, the other ones wait for its reply
            if self._link is None:
                self._link = self._resolve(client)
            return self._link

    def _forget(self, link: str) -> None:
        with self._lock:
            if self._link == link:
                self._link = None

    def _resolve(self, client: Client) -> str:
        """Follow the hub's redirects up to the first one to another host."""
        url = self._file.url
        for _ in range(MAX_REDIRECTS):
            response = client.request("HEAD", url, {})
            response.read()
            self._check_identity(response)
            if response.status not in _REDIRECTS:
                if response.status == HTTPStatus.OK:
                    return url
                raise _refused(response, from_hub=True)
            url = self._target(url, response)
            if origin_of(url) != self._hub:
                return url
        raise Transient("The hub redirects in a loop")

    def _target(self, url: str, response: http.client.HTTPResponse) -> str:
        # http.client decodes all bytes of a header, which may be UTF-8, as Latin-1.
        location = (response.headers["Location"] or "").encode("latin-1")
        return redirect_target(self._hub, url, location.decode(errors="replace"))

    def _check_identity(self, response: http.client.HTTPResponse) -> None:
        """Compare the hash in the hub's ETag with the listing; ignore ETags of other formats."""
        etag = response.headers["X-Linked-Etag"]
        if etag is None and response.status == HTTPStatus.OK:
            etag = response.headers["ETag"]
        match = _HASH.fullmatch(etag or "")
        if match and match[1] != self._file.etag:
            raise ContentChanged

    def _body(self, response: http.client.HTTPResponse, start: int, end: int) -> Body:
        if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise _refused(response, from_hub=False)
        encoding = response.headers["Content-Encoding"] or "identity"
        if encoding.lower() != "identity":
            raise Transient("The server compresses the file although the request excludes it")
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(response.headers["Content-Range"] or "")
            if match is None or [*map(int, match.groups())] != [start, end - 1, self._file.size]:
                raise Transient("The server sent another range than requested", stale=True)
            return Body(response, start, ranged=True)
        length = response.headers["Content-Length"]
        if length is not None and length != str(self._file.size):
            raise Transient("The server sent a file of another size than listed", stale=True)
        return Body(response, 0, ranged=False)


class Body:
    """The body of a reply.

    Attributes
    ----------
    position : int
        Offset in the file of the next byte.
    ranged : bool
        False if the server ignored the range and sends the whole file.
    """

    def __init__(self, response: http.client.HTTPResponse, position: int, *, ranged: bool) -> None:
        self.position = position
        self.ranged = ranged
        self._response = response

    def read(self, limit: int) -> bytes:
        """Return the bytes that have arrived, at least one and up to `limit`.

        Raises
        ------
        Transient
            If the connection ended or stalled.
        """
        try:
            data = self._response.read1(limit)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise to_transient(error) from None
        if not data:
            raise Transient("The connection was closed early")
        self.position += len(data)
        return data


def _refused(
    response: http.client.HTTPResponse, *, from_hub: bool
) -> Transient | HubError | HubUnauthorized:
    """Return the error for a reply without the file.

    If the host behind a link refuses it, the link may have expired; only a refusal by the hub is
    final.
    """
    status = response.status
    if from_hub and status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return HubUnauthorized(
            f"The hub refuses access to the file (status {status}). Request access on the model's "
            "page, and use a token that has it: in the request, in HF_TOKEN, or with "
            "`hf auth login`."
        )
    if from_hub and status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return HubError("The hub no longer has the file. Pull the model again.")
    return Transient(
        f"The {'hub' if from_hub else 'server'} answers with status {status}",
        wait=parse_retry_after(response.headers["Retry-After"] or ""),
        overloaded=status in _OVERLOADED,
        stale=status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS,
    )
