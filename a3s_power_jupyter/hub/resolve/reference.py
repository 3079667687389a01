"""Parse references to models on the hub, in every form that people type or paste."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ...contract.errors import InvalidReference
from ...contract.text import quoted
from ...store.names import check_name

DEFAULT_REVISION = "main"

#: Characters of the longest reference, which may be the address of a page, and revision.
MAX_LENGTH = 2048
MAX_REVISION_LENGTH = 255

_HOST = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_SEGMENT = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
#: Pattern of ``owner/repo``.
REPO = rf"{_SEGMENT}/{_SEGMENT}"
#: A branch, tag or commit after an ``@``. Only references of pull requests contain slashes there.
_REVISION = r"refs/[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+|[A-Za-z0-9_.+-]+"
_REFERENCE = re.compile(
    rf"(?P<repo>{REPO})(?:@(?P<revision>{_REVISION}))?"
    r"(?::(?P<tag>[A-Za-z0-9][A-Za-z0-9_.-]*)|/(?P<path>.+))?"
)
_PAGES = ("blob", "resolve", "raw", "tree")  # path segments before a revision on the web site
_NOT_MODELS = ("datasets", "spaces", "collections", "buckets")


class Reference(msgspec.Struct, frozen=True):
    """A parsed reference. Without `tag` and `path` it means the whole repository.

    Attributes
    ----------
    name : str
        Shortest way to write the reference; the name of the model.
    repo : str
        ``owner/repo``.
    revision : str
        Branch, tag or commit.
    tag : str or None
        Quantization in any case, for example ``Q4_K_M``.
    path : str or None
        Path of a GGUF file in the repository.
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


def parse(text: str, revision: str | None = None) -> Reference:
    """Parse a reference.

    Accepts ``owner/repo``, ``owner/repo:TAG`` and ``owner/repo/path/file.gguf``, with an optional
    ``@revision`` after the repository and ``hf.co/`` or ``https://huggingface.co/`` in front, and
    addresses of pages of the hub's web site.

    Parameters
    ----------
    text : str
        The reference.
    revision : str or None
        Branch, tag or commit given separately. It does not become part of the name.

    Raises
    ------
    InvalidReference
        If the text is not a reference, or if it contradicts `revision`.
    InvalidModelName
        If the reference cannot be used as the name of a model.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidReference(
            f"The reference is longer than {MAX_LENGTH:,} characters. Use owner/repo:TAG.",
            param="name",
        )
    plain = _strip_host(text.strip())
    match = _REFERENCE.fullmatch(plain)
    if match is None:
        _reject(text)
    repo, own_revision, tag, path = match.group("repo", "revision", "tag", "path")
    if path is not None and not path.lower().endswith(".gguf"):
        _reject(text, "A file must end in .gguf; safetensors models are pulled whole. ")
    if revision is not None and not _is_revision(revision):
        raise InvalidReference(
            f"{revision[:80]!a} is not a revision. Use a branch, a tag or a commit.",
            param="revision",
        )
    if revision is not None and own_revision not in (None, revision):
        raise InvalidReference(
            f"The reference has the revision {quoted(own_revision)}, but the request asks for "
            f"{quoted(revision)}. Remove one of them.",
            param="revision",
        )
    name = _join(repo, own_revision, tag, path)
    check_name(name)
    return Reference(name, repo, revision or own_revision or DEFAULT_REVISION, tag, path)


def _is_revision(text: str) -> bool:
    if len(text) > MAX_REVISION_LENGTH or ".." in text:
        return False
    return re.fullmatch(r"[\w.+-]+(/[\w.+-]+)*", text) is not None


def _strip_host(text: str) -> str:
    """Remove the hub's host, and turn the address of a page into a reference."""
    host = _HOST.match(text)
    if host is None:
        return text
    url = urlsplit(f"https://hub/{text[host.end() :]}")
    owner, _, rest = url.path[1:].partition("/")
    if owner in _NOT_MODELS:
        _reject(text, f"It is a page of {owner}. ")
    name, *segments = rest.rstrip("/").split("/")
    repo = f"{owner}/{unquote(name)}"
    shown = parse_qs(url.query).get("show_file_info")  # the site's link to a GGUF header
    if not segments and shown:
        return f"{repo}/{shown[0]}"
    if len(segments) < 2 or segments[0] not in _PAGES:
        return "/".join([repo, *map(unquote, segments)])
    revision, path = unquote(segments[1]), "/".join(map(unquote, segments[2:]))
    if not re.fullmatch(_REVISION, revision):
        _reject(text, "Give a branch that contains a slash separately, as the revision. ")
    return _join(repo, revision, None, path or None)


def _join(repo: str, revision: str | None, tag: str | None, path: str | None) -> str:
    at = f"@{revision}" if revision not in (None, DEFAULT_REVISION) else ""
    return repo + at + (f":{tag}" if tag else "") + (f"/{path}" if path else "")


def _reject(text: str, reason: str = "") -> NoReturn:
    # The user name and the query of an address may contain secrets.
    shown = re.sub(r"//[^/]*@", "//", text).partition("?")[0]
    raise InvalidReference(
        f"{shown[:120]!a} is not a model on the hub. {reason}Use owner/repo:TAG, "
        "owner/repo/path/file.gguf or owner/repo, optionally with @revision after the repository; "
        "for example bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M.",
        param="name",
    )
