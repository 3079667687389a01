"""Parse references to models on the hub, in every form that people type or paste."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from ...contract.errors import InvalidModelName, InvalidReference
from ...contract.text import quoted
from ...store.names import MAX_NAME_LENGTH, check_name
from .pages import NotAModel, from_address

DEFAULT_REVISION = "main"

#: Characters of the longest reference, which may be the address of a page, and revision.
MAX_LENGTH = 2048
MAX_REVISION_LENGTH = 255

_SEGMENT = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
#: Pattern of ``owner/repo``.
REPO = rf"{_SEGMENT}/{_SEGMENT}"
#: A branch, tag or commit after an ``@``. Only references of pull requests contain slashes there.
_REVISION = r"refs/[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+|[A-Za-z0-9_.+-]+"
_REFERENCE = re.compile(
    rf"(?P<repository>(?P<repo>{REPO})(?:@(?P<revision>{_REVISION}))?)"
    r"(?::(?P<tag>[A-Za-z0-9][A-Za-z0-9_.+-]*)|/(?P<path>.+))?"
)
#: A part of a revision that is given separately (git-check-ref-format).
_REVISION_PART = r"[^\s~^:?*\[\\/\x00-\x20\x7f]+"

#: Runs of characters that a path may have, but a name may not, and the hyphens around them.
_OTHER_CHARACTERS = re.compile(r"-*[^A-Za-z0-9._/@+-][^A-Za-z0-9._/@+]*")
_SUFFIX = ".gguf"


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
        Path of a GGUF file in the repository, or `path_in_name` of it.
    """

    name: str
    repo: str
    revision: str = DEFAULT_REVISION
    tag: str | None = None
    path: str | None = None

    @property
    def repository(self) -> str:
        """`name` without tag and path."""
        match = _REFERENCE.fullmatch(self.name)
        return self.repo if match is None else match["repository"]

    @property
    def without_revision(self) -> str:
        """`name` without the revision."""
        return self.repo + self.name.removeprefix(self.repository)

    def path_in_name(self, path: str) -> str:
        """Return the path of a file as part of the name of a model of this repository."""
        return path_in_name(path, MAX_NAME_LENGTH - len(self.repository) - 1)


def parse(text: str, revision: str | None = None) -> Reference:
    """Parse a reference.

    Accepts ``owner/repo``, ``owner/repo:TAG`` and ``owner/repo/path/file.gguf``, with an optional
    ``@revision`` after the repository and ``hf.co/`` or ``https://huggingface.co/`` in front, and
    addresses of pages of the hub's web site. The path may have any characters.

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
    try:
        plain = from_address(text.strip())
    except NotAModel as error:
        _reject(text, str(error), error.candidates)
    match = _REFERENCE.fullmatch(plain)
    if match is None:
        _reject(text, _why_not(plain))
    repository, repo, own_revision, tag, path = match.groups()
    if path is not None and not path.lower().endswith(_SUFFIX):
        whole = f"A file must end in .gguf; safetensors models are pulled whole, as {repository}. "
        _reject(text, whole, [repository])
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
    if own_revision == DEFAULT_REVISION:
        repository = repo
    name = _name(repository, tag, path)
    check_name(name)
    return Reference(name, repo, revision or own_revision or DEFAULT_REVISION, tag, path)


def _is_revision(text: str) -> bool:
    if len(text) > MAX_REVISION_LENGTH or ".." in text:
        return False
    return re.fullmatch(rf"{_REVISION_PART}(/{_REVISION_PART})*", text) is not None


def _name(repository: str, tag: str | None, path: str | None) -> str:
    if path is None:
        return f"{repository}:{tag}" if tag else repository
    room = MAX_NAME_LENGTH - len(repository) - 1
    return f"{repository}/{path_in_name(path, room)}"


def path_in_name(path: str, room: int) -> str:
    """Return the path of a file as part of a model's name, which may have fewer characters.

    Accents are removed, and each run of other characters becomes a hyphen. A hash keeps the names
    of different paths apart. Paths that a name can contain are unchanged.

    Parameters
    ----------
    room : int
        Characters that it may have.
    """
    stem, suffix = path[: -len(_SUFFIX)], path[-len(_SUFFIX) :]
    if not _OTHER_CHARACTERS.search(stem) and len(path) <= room:
        return path
    tail = f"-{hashlib.sha256(path.encode(errors='replace')).hexdigest()[:8]}{suffix}"
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", stem) if not unicodedata.combining(c)
    )
    return _OTHER_CHARACTERS.sub("-", letters)[: max(0, room - len(tail))].rstrip("/-") + tail


def _why_not(text: str) -> str:
    """Return a sentence about what is wrong with a reference, if that is clear."""
    if re.match(rf"{REPO}(@[^:/]*)?:", text):
        return (
            "A tag has the characters A-Z a-z 0-9 . _ - +; to get a file with other characters, "
            "give its path. "
        )
    if re.match(rf"{REPO}@", text):
        return "Give a revision with other characters separately, as the revision. "
    return ""


def _reject(text: str, reason: str = "", candidates: Sequence[str] = ()) -> NoReturn:
    # The user name and the query of an address may contain secrets.
    shown = re.sub(r"//[^/]*@", "//", text).partition("?")[0]
    raise InvalidReference(
        f"{shown[:120]!a} is not a model on the hub. {reason}Use owner/repo:TAG, "
        "owner/repo/path/file.gguf or owner/repo, optionally with @revision after the repository; "
        "for example bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M.",
        param="name",
        candidates=[each for each in candidates if _REFERENCE.fullmatch(each)],
    )


def name_of(reference: str) -> str:
    """Return the name of the model; an invalid reference may be the name of a registered model."""
    try:
        return parse(reference).name
    except (InvalidReference, InvalidModelName):
        return reference
