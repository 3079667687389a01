"""What the hub says of a repository, through huggingface_hub's session, retries and errors.

Imported only in the process of a pull: huggingface_hub is no guest of the notebook server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import msgspec
from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import hf_raise_for_status, http_backoff
from msgspec import Meta

from ...contract.errors import HubError, HubUnauthorized, InvalidReference, PowerError
from .plan import RemoteFile
from .reference import REPO

TIMEOUT = 30.0  # seconds without a byte; huggingface_hub itself would wait for ever
RETRIES = 3  # after 1, 2 and 4 seconds, or what Retry-After says

#: An index of weights has a line a tensor: a few MB for the largest models there are.
MAX_JSON = 64 << 20

T = TypeVar("T")


def hub_token(token: str | None) -> str | None:
    """The token to use: `token`, else ``HF_TOKEN``, else what ``hf auth login`` stored."""
    return token or get_token()


# A hub may be anybody's (HF_ENDPOINT), and these become names of files.
_GitId = Annotated[str, Meta(pattern="^[0-9a-f]{40}$")]
_SHA256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Size = Annotated[int, Meta(ge=0)]


class Info(msgspec.Struct, frozen=True):
    """A repository at a revision.

    Attributes
    ----------
    repo : its name now; an old name still leads to it.
    commit : 40 hex digits.
    gated : files are only for those whom the author let in.
    """

    repo: Annotated[str, Meta(pattern=f"^{REPO}$")] = msgspec.field(name="id")
    commit: _GitId = msgspec.field(name="sha")
    gated: bool | str = False


class _LFS(msgspec.Struct):
    oid: _SHA256
    size: _Size


class _Entry(msgspec.Struct):
    type: Literal["file", "directory"]
    path: str
    oid: _GitId
    size: _Size = 0
    lfs: _LFS | None = None


class HubApi:
    """Metadata of one hub.

    All methods raise HubError (cannot be reached, or answers as no hub does), HubUnauthorized
    (wrong token, private or gated repository) and InvalidReference (no such thing there).

    Parameters
    ----------
    endpoint
        URL of the hub; None is ``HF_ENDPOINT`` or the default one.
    token
        As `hub_token` takes it. It goes to the hub's host and to no other.
    """

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = hub_token(token)

    def info(self, repo: str, revision: str) -> Info:
        url = f"{self.endpoint}/api/models/{repo}/revision/{quote(revision, safe='')}"
        with self._errors(repo, revision):
            return _decoded(self._get(url), Info)

    def files(self, info: Info) -> list[RemoteFile]:
        """All files, of all folders and pages, but those with a path that could be dangerous."""
        url = f"{self.endpoint}/api/models/{info.repo}/tree/{info.commit}"
        entries: list[_Entry] = []
        query = {"recursive": "true"}
        with self._errors(info.repo, info.commit):
            while query:
                reply = self._get(url, params=query)
                entries += _decoded(reply, list[_Entry])
                # Of the link only the query: a mirror may pass on one to another host, and the
                # token must not go there.
                next_url = reply.links.get("next", {}).get("url", "")
                query = dict(parse_qsl(urlsplit(next_url).query))
        return [
            self._file(info, entry)
            for entry in entries
            if entry.type == "file" and _is_relative(entry.path)
        ]

    def check_access(self, info: Info, file: RemoteFile) -> None:
        """Make sure that the token may have the files of a gated repository."""
        with self._errors(info.repo, info.commit):
            self._request("HEAD", file.url, follow_redirects=False)

    def json(self, info: Info, file: RemoteFile) -> Any:
        """The content of a small JSON file."""
        if file.size > MAX_JSON:
            raise HubError(f"{info.repo}/{file.path} is {file.size:,} bytes, too many to be right.")
        with self._errors(info.repo, info.commit):
            return _decoded(self._get(file.url), object)

    def _file(self, info: Info, entry: _Entry) -> RemoteFile:
        url = f"{self.endpoint}/{info.repo}/resolve/{info.commit}/{quote(entry.path)}"
        if entry.lfs is None:
            return RemoteFile(entry.path, entry.size, url, entry.oid, blob_id=entry.oid)
        oid = entry.lfs.oid
        return RemoteFile(entry.path, entry.lfs.size, url, oid, sha256=oid)

    def _get(self, url: str, params: dict[str, str] | None = None) -> httpx2.Response:
        return self._request("GET", url, params=params)

    def _request(self, method: Literal["GET", "HEAD"], url: str, **options: Any) -> httpx2.Response:
        # Not build_hf_headers: it asks the hub for a list of coding agents first.
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        reply = http_backoff(
            method, url, headers=headers, timeout=TIMEOUT, max_retries=RETRIES, **options
        )
        hf_raise_for_status(reply)
        return reply

    @contextmanager
    def _errors(self, repo: str, revision: str) -> Iterator[None]:
        """Raise what huggingface_hub and its HTTP client raise as errors of the contract."""
        try:
            yield
        except OfflineModeIsEnabled:
            raise HubError(
                "The hub is switched off for this server: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE "
                "is set. Start it without them, or register a model that is on disk."
            ) from None
        except HfHubHTTPError as error:
            raise self._refusal(error, repo, revision) from None
        except httpx2.HTTPError as error:
            raise HubError(
                f"The hub at {self._host} cannot be reached: {str(error) or type(error).__name__}. "
                "Check the network, HF_ENDPOINT and the proxy."
            ) from None
        except msgspec.DecodeError:
            raise HubError(
                f"{self._host} does not answer as the hub does. Check HF_ENDPOINT and the proxy."
            ) from None

    def _refusal(self, error: HfHubHTTPError, repo: str, revision: str) -> PowerError:
        status = error.response.status_code
        match error:
            case GatedRepoError():
                return HubUnauthorized(self._gated(repo))
            case RepositoryNotFoundError():
                return self._no_repository(repo)
            case RevisionNotFoundError():
                return InvalidReference(f"{repo} has no revision {revision!r}.", param="revision")
            case EntryNotFoundError():
                return HubError(f"The hub lists a file of {repo} that it does not have. Try later.")
        if status in (401, 403):
            return HubUnauthorized(
                "The hub refuses the token. Give another one, or log in again with %power login."
            )
        return HubError(
            f"The hub at {self._host} answers with status {status}. Try later.",
            retry_after=_retry_after(error.response),
        )

    def _gated(self, repo: str) -> str:
        page = f"{self.endpoint}/{repo}"
        if self._token is None:
            return (
                f"{repo} is gated: its files are given to those whom its author let in. Ask for "
                f"access at {page}, then pull with the token of your account."
            )
        return f"{repo} is gated, and this token has no access to it. Ask for it at {page}."

    def _no_repository(self, repo: str) -> PowerError:
        if self._token is None:  # the hub does not tell strangers which
            return HubUnauthorized(
                f"The hub has no public model {repo!r}. Check the spelling; if it is private, give "
                "a token that may read it."
            )
        return InvalidReference(
            f"The hub has no model {repo!r} that this token may read. Check the spelling.",
            param="name",
        )

    @property
    def _host(self) -> str:
        """Without what may stand before an @ in the endpoint."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2]


def _is_relative(path: str) -> bool:
    """Whether `path` stays below the directory it is joined to, on every system."""
    outside = any(part in ("", ".", "..") for part in path.split("/"))
    return path.isprintable() and not outside and not set(path) & set(":\\")


def _decoded(reply: httpx2.Response, type_: type[T]) -> T:
    return msgspec.json.decode(reply.content, type=type_)


def _retry_after(reply: httpx2.Response) -> int | None:
    value = reply.headers.get("Retry-After", "")
    return int(value) if value.isdecimal() else None
