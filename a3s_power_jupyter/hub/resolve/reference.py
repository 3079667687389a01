"""References to models of the hub, in every form that people type or paste."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

from ...contract.errors import InvalidReference
from ...store.names import check_name

DEFAULT_REVISION = "main"

_HOST = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_SEGMENT = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
#: What ``owner/repo`` looks like.
REPO = rf"{_SEGMENT}/{_SEGMENT}"
#: A branch, tag or commit. Behind an ``@`` it has no slash, but for those of pull requests.
_REVISION = r"refs/[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+|[A-Za-z0-9_.+-]+"
_REFERENCE = re.compile(
    rf"(?P<repo>{REPO})(?:@(?P<revision>{_REVISION}))?"
    r"(?::(?P<tag>[A-Za-z0-9][A-Za-z0-9_.-]*)|/(?P<path>.+))?"
)
_PAGES = ("blob", "resolve", "raw", "tree")  # of the hub's web site, before a revision
_NOT_MODELS = ("datasets", "spaces", "collections", "buckets")


@dataclass(frozen=True)
class Reference:
    """What to pull.

    Attributes
    ----------
    name : the shortest way to write the reference, which is a name of a model.
    repo : ``owner/repo``.
    revision : branch, tag or commit.
    tag : the quantization, for example ``Q4_K_M``, in any case.
    path : of a GGUF file in the repository. With neither, it is the whole repository.
    """

    name: str
    repo: str
    revision: str = DEFAULT_REVISION
    tag: str | None = None
    path: str | None = None

    @property
    def repository(self) -> str:
        """`name` without tag and path."""
        end = f":{self.tag}" if self.tag else f"/{self.path}" if self.path else ""
        return self.name.removesuffix(end)

    @property
    def without_revision(self) -> str:
        """The same reference, for which the revision is given apart."""
        return _written(self.repo, None, self.tag, self.path)


def parse(text: str, revision: str | None = None) -> Reference:
    """Read ``owner/repo``, ``owner/repo:TAG``, ``owner/repo/path/file.gguf``, with ``@revision``
    behind the repo, with ``hf.co/`` or ``https://huggingface.co/`` in front; or the address of a
    page of the hub's web site.

    Parameters
    ----------
    revision
        Branch, tag or commit, where it is given apart. It is no part of the name.

    Raises
    ------
    InvalidReference
        With the forms that are right.
    InvalidModelName
        The reference cannot be the name of a model.
    """
    plain = _plain(text.strip())
    match = _REFERENCE.fullmatch(plain)
    if match is None:
        _refuse(text)
    repo, own_revision, tag, path = match.group("repo", "revision", "tag", "path")
    if path is not None and not path.lower().endswith(".gguf"):
        _refuse(text, "A file must end in .gguf; a safetensors model is pulled whole. ")
    if revision is not None and not re.fullmatch(r"(?!.*\.\.)[\w.+-]+(/[\w.+-]+)*", revision):
        raise InvalidReference(
            f"{revision[:80]!a} is no revision. Use a branch, a tag or a commit.",
            param="revision",
        )
    if revision is not None and own_revision not in (None, revision):
        raise InvalidReference(
            f"The reference has the revision {own_revision!r}, and {revision!r} is asked for. "
            "Leave one of them out.",
            param="revision",
        )
    name = _written(repo, own_revision, tag, path)
    check_name(name)
    return Reference(name, repo, revision or own_revision or DEFAULT_REVISION, tag, path)


def _plain(text: str) -> str:
    """`text` without the hub's host, and with the address of a page made a reference."""
    host = _HOST.match(text)
    if host is None:
        return text
    url = urlsplit(f"https://hub/{text[host.end() :]}")
    owner, _, rest = url.path[1:].partition("/")
    if owner in _NOT_MODELS:
        _refuse(text, f"It is a page of {owner}. ")
    name, *segments = rest.rstrip("/").split("/")
    repo = f"{owner}/{unquote(name)}"
    shown = parse_qs(url.query).get("show_file_info")  # how the site links to a GGUF's header
    if not segments and shown:
        return f"{repo}/{shown[0]}"
    if len(segments) < 2 or segments[0] not in _PAGES:
        return "/".join([repo, *map(unquote, segments)])
    revision, path = unquote(segments[1]), "/".join(map(unquote, segments[2:]))
    if not re.fullmatch(_REVISION, revision):
        _refuse(text, "A branch with a slash is to be given apart, as the revision. ")
    return _written(repo, revision, None, path or None)


def _written(repo: str, revision: str | None, tag: str | None, path: str | None) -> str:
    at = f"@{revision}" if revision not in (None, DEFAULT_REVISION) else ""
    return repo + at + (f":{tag}" if tag else "") + (f"/{path}" if path else "")


def _refuse(text: str, why: str = "") -> NoReturn:
    # What stands before an @ or behind a ? of an address may be a secret.
    shown = re.sub(r"//[^/]*@", "//", text).partition("?")[0]
    raise InvalidReference(
        f"{shown[:120]!a} names no model of the hub. {why}Use owner/repo:TAG, "
        "owner/repo/path/file.gguf or owner/repo, with @revision behind the repo if needed; for "
        "example bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M.",
        param="name",
    )
