"""Query the hub's metadata API with huggingface_hub's session and errors.

Only the pull process imports this module, to keep huggingface_hub out of the notebook server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import msgspec
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ...contract.errors import (
    HubError,
    HubUnauthorized,
    InvalidReference,
    PowerError,
)
from ...contract.redaction import Redactor
from ...contract.text import quoted, shortened, unstopped
from ..http.hub_requests import HubRequests, Limits, Params, requested_wait
from ..http.retries import Retry
from ..http.token import hub_token
from .repository import SHA256, GitId, Listing, RemoteFile, Repository, Size, is_storable

#: Largest JSON file to read, in bytes. A weights index has one line per tensor: a few MB at most.
MAX_JSON = 64 << 20

#: Entries of a listing, and seconds to fetch all its pages; more count as a listing without end.
MAX_ENTRIES = 500_000
LISTING_DEADLINE = 600.0

T = TypeVar("T")


class _LFS(msgspec.Struct):
    oid: SHA256
    size: Size


class _Entry(msgspec.Struct):
    type: Literal["file", "directory"]
    path: str
    oid: GitId
    size: Size = 0
    lfs: _LFS | None = None


class HubApi:
    """Client of one hub's metadata API.

    Parameters
    ----------
    endpoint : str or None
        URL of the hub; default: ``HF_ENDPOINT``, or huggingface.co.
    token : str or None
        See `hub.http.token`. It is only sent to the hub's host.
    stop, on_retry, limits
        See `HubRequests`.

    Raises
    ------
    HubError
        By every method, if the hub cannot be reached or its reply is not valid.
    HubUnauthorized
        By every method, if the token is wrong, or the repository is private or gated.
    InvalidReference
        By every method, if the repository or the revision does not exist.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        stop: threading.Event | None = None,
        on_retry: Callable[[Retry | None], None] = lambda retry: None,
        limits: Limits | None = None,
    ) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = hub_token(token)
        self._requests = HubRequests(self._token, stop, on_retry, limits)
        self._stop = stop

    def repository(self, repo: str, revision: str) -> Repository:
        """Return the repository, with the commit that `revision` refers to now."""
        return self.described(repo, revision)[0]

    def described(self, repo: str, revision: str) -> tuple[Repository, Any]:
        """Return the repository as `repository`, and all that the hub says about it, unchecked."""
        url = f"{self.endpoint}/api/models/{repo}/revision/{quote(revision, safe='')}"
        with self._errors(repo, revision):
            reply = self._requests.send("GET", url)
            return _decode(reply, Repository), _decode(reply, object)

    def page(self, path: str, params: Params) -> tuple[Any, str]:
        """Return the JSON at a path of the API, unchecked, and the query of the next page."""
        with self._errors("", ""):
            reply = self._requests.send("GET", f"{self.endpoint}{path}", params=params)
            following = reply.links.get("next", {}).get("url", "")
            return _decode(reply, object), urlsplit(following).query

    def with_limits(self, limits: Limits) -> HubApi:
        """Return a client of the same hub, with other limits and without reports of retries."""
        return HubApi(self.endpoint, self._token, stop=self._stop, limits=limits)

    def files(self, repository: Repository) -> Listing:
        """Return the files of all folders and pages."""
        url = f"{self.endpoint}/api/models/{repository.repo}/tree/{repository.commit}"
        files: dict[str, RemoteFile] = {}
        skipped: str | None = None
        seen: set[int] = set()  # hashes, since links can be long
        count, deadline = 0, time.monotonic() + LISTING_DEADLINE
        query: Params = {"recursive": "true"}
        with self._errors(repository.repo, repository.commit):
            while query:
                reply = self._requests.send("GET", url, params=query)
                entries = _decode(reply, list[_Entry])
                for entry in entries:
                    if entry.type != "file":
                        continue
                    if not is_storable(entry.path):
                        skipped = skipped or quoted(entry.path)
                        continue
                    file = self._file(repository, entry)
                    if files.setdefault(entry.path, file) != file:
                        raise HubError(
                            f"The hub lists two different files {quoted(entry.path)} in "
                            f"{repository.repo}. Choose another repository or revision."
                        )
                count += len(entries)
                next_url = reply.links.get("next", {}).get("url", "")
                if count > MAX_ENTRIES or time.monotonic() > deadline or hash(next_url) in seen:
                    raise HubError(
                        f"The listing of {repository.repo} has no end: {count:,} entries so far. "
                        "Check HF_ENDPOINT, or try again later."
                    )
                # Take only the query of the link: a mirror may forward links to another host,
                # which must not receive the token.
                seen.add(hash(next_url))
                query = {**dict(parse_qsl(urlsplit(next_url).query))}
        return Listing([*files.values()], skipped)

    def check_access(self, repository: Repository, file: RemoteFile) -> None:
        """Check that the token has access to the files of a gated repository."""
        with self._errors(repository.repo, repository.commit):
            self._requests.send("HEAD", file.url, follow_redirects=False)

    def json(self, repository: Repository, file: RemoteFile) -> Any:
        """Return the content of a small JSON file."""
        if file.size > MAX_JSON:
            raise HubError(
                f"{repository.repo}/{file.path} has {file.size:,} bytes, too many for a JSON file "
                "of a model."
            )
        with self._errors(repository.repo, repository.commit):
            return _decode(self._requests.send("GET", file.url, limit=MAX_JSON), object)

    def range(self, repository: Repository, file: RemoteFile, start: int, length: int) -> bytes:
        """Return `length` bytes of a file from `start` on, or fewer at its end."""
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        with self._errors(repository.repo, repository.commit):
            reply = self._requests.send("GET", file.url, headers=headers, limit=length)
        if start and reply.status_code != httpx2.codes.PARTIAL_CONTENT:
            raise HubError(f"The hub at {self._host} sends files from their start only.")
        return reply.content

    def _file(self, repository: Repository, entry: _Entry) -> RemoteFile:
        url = f"{self.endpoint}/{repository.repo}/resolve/{repository.commit}/{quote(entry.path)}"
        if entry.lfs is None:
            return RemoteFile(entry.path, entry.size, url, entry.oid, blob_id=entry.oid)
        oid = entry.lfs.oid
        return RemoteFile(entry.path, entry.lfs.size, url, oid, sha256=oid)

    @contextmanager
    def _errors(self, repo: str, revision: str) -> Iterator[None]:
        """Convert exceptions of huggingface_hub and its HTTP client to a `PowerError`."""
        try:
            yield
        except OfflineModeIsEnabled:
            raise HubError(
                "This server is offline: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set. Start it "
                "without them, or register a model that is on disk.",
                reason="offline",
            ) from None
        except HfHubHTTPError as error:
            raise self._convert(error, repo, revision) from None
        except httpx2.HTTPError as error:
            reason = shortened(Redactor(self._token)(str(error))) or type(error).__name__
            reason = unstopped(reason)
            raise HubError(
                f"The hub at {self._host} cannot be reached: {reason}. Check the network, "
                "HF_ENDPOINT and the proxy settings.",
                reason="unreachable",
            ) from None
        except (
            # Besides errors of the JSON: invalid headers and URLs in them, numbers of thousands of
            # digits, and nesting.
            msgspec.DecodeError,
            httpx2.InvalidURL,
            ValueError,
            OverflowError,
            RecursionError,
        ) as error:
            reason = shortened(Redactor(self._token)(str(error)))
            raise HubError(
                f"The reply of {self._host} is not a reply of the hub ({reason}). Check "
                "HF_ENDPOINT and the proxy settings."
            ) from None

    def _convert(self, error: HfHubHTTPError, repo: str, revision: str) -> PowerError:
        status = error.response.status_code
        match error:
            case GatedRepoError():
                return HubUnauthorized(self._gated(repo), reason="gated")
            case RepositoryNotFoundError():
                return self._no_repository(repo)
            case RevisionNotFoundError():
                return InvalidReference(f"{repo} has no revision {revision!r}.", param="revision")
            case EntryNotFoundError():
                return HubError(f"The hub lists a file of {repo} but does not have it. Try later.")
        if status in (401, 403):
            return HubUnauthorized(
                "The hub rejected the token. Pass another one, or log in again with %power login.",
                reason="bad_token",
            )
        wait = requested_wait(error.response)
        if status == httpx2.codes.TOO_MANY_REQUESTS:
            return self._rate_limited(wait)
        asks = f" and asks to wait {wait} seconds" if wait else ""
        return HubError(
            f"The hub at {self._host} replied with status {status}{asks}. Try later.",
            retry_after=wait,
        )

    def _rate_limited(self, wait: int | None) -> HubError:
        when = f"in {wait} seconds" if wait else "in some minutes"
        more = "" if self._token else " With a token, the hub allows more: see %power login."
        return HubError(
            f"The hub at {self._host} got too many requests from here (status 429). Try again "
            f"{when}.{more}",
            retry_after=wait,
            reason="rate_limited",
        )

    def _gated(self, repo: str) -> str:
        page = Redactor(self._token)(f"{self.endpoint}/{repo}")
        if self._token is None:
            return (
                f"{repo} is gated: its author grants access to the files. Request access at "
                f"{page}, then pull with the token of your account."
            )
        return f"{repo} is gated, and this token has no access to it. Request access at {page}."

    def _no_repository(self, repo: str) -> PowerError:
        if self._token is None:  # the hub does not reveal whether a private repository exists
            return HubUnauthorized(
                f"The hub has no public model {repo!r}. Check the spelling; if it is private, pass "
                "a token with read access.",
                param="name",
                reason="not_found",
            )
        return InvalidReference(
            f"The hub has no model {repo!r} that this token can read. Check the spelling.",
            param="name",
            reason="not_found",
        )

    @property
    def _host(self) -> str:
        """Host and port of the endpoint, without credentials."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2]


def _decode(reply: httpx2.Response, type_: type[T]) -> T:
    return msgspec.json.decode(reply.content, type=type_)
