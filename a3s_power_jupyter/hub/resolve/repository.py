"""A repository of the hub at one commit, and its files."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .reference import REPO

#: Largest file, in bytes.
MAX_SIZE = 1 << 50

#: Bytes of the longest name and path of a file; the lowest limits of common file systems.
MAX_NAME = 255
MAX_PATH = 1000

# HF_ENDPOINT may point to any server, and these values become file names.
GitId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}\Z")]
SHA256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=0, le=MAX_SIZE)]


class RemoteFile(msgspec.Struct, frozen=True):
    """One file of a repository at one commit.

    The hub states exactly one hash of the content: `sha256` of a large file (LFS), `blob_id` of
    a small one.

    Attributes
    ----------
    path : str
        Path in the repository, with slashes.
    size : int
        Bytes.
    url : str
        The hub's resolve URL, which contains the commit. It may redirect to another host.
    etag : str
        The stated hash, which the hub also sends as ``X-Linked-Etag`` or ``ETag``. The host that
        it redirects to has ETags of its own format.
    sha256 : str, optional
        SHA-256 of the content, in hex.
    blob_id : str, optional
        Id of the git blob in hex: the SHA-1 of ``blob <size>\\0`` and the content.
    """

    path: str
    size: int
    url: str
    etag: str
    sha256: str | UnsetType = UNSET
    blob_id: str | UnsetType = UNSET


class Repository(msgspec.Struct, frozen=True):
    """A repository at one commit.

    Attributes
    ----------
    repo : str
        Current name; the hub redirects from former names.
    commit : str
        40 hex digits.
    gated : bool or str
        Whether the author must grant access to the files.
    """

    repo: Annotated[str, Meta(pattern=rf"\A{REPO}\Z")] = msgspec.field(name="id")
    commit: GitId = msgspec.field(name="sha")
    gated: bool | str = False


class Listing(NamedTuple):
    """The files of a repository, and one of the names that are left out: see `is_storable`."""

    files: list[RemoteFile]
    skipped: str | None


def is_storable(path: str) -> bool:
    """Return whether every system can store `path`, and below the directory it is joined to."""
    parts = path.split("/")
    outside = any(part in ("", ".", "..") for part in parts)
    if outside or not path.isprintable() or set(path) & set(":\\"):
        return False
    return len(path.encode()) <= MAX_PATH and all(len(part.encode()) <= MAX_NAME for part in parts)
