"""What a pull will fetch: found by `listing`, sent to the server, worked on by `download`."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class RemoteFile(msgspec.Struct, frozen=True):
    """One file of a repository at one commit.

    The hub states exactly one hash of the content: `sha256` of a large file (LFS), `blob_id` of
    a small one.

    Attributes
    ----------
    path : in the repository, with slashes.
    size : bytes.
    url : the hub's resolve URL, with the commit in it; it may redirect to another host.
    etag : that hash, which the hub gives as ``X-Linked-Etag``, or else as ``ETag``. The host it
        redirects to has an ETag of its own.
    sha256 : hex SHA-256 of the content.
    blob_id : hex id of the git blob, SHA-1 of ``blob <size>\\0`` and the content.
    """

    path: str
    size: int
    url: str
    etag: str
    sha256: str | UnsetType = UNSET
    blob_id: str | UnsetType = UNSET


class Plan(msgspec.Struct, frozen=True):
    """The files of one model, in the order in which its manifest will have them.

    Attributes
    ----------
    name : what the model will be called.
    repo : ``owner/repo``.
    revision : the commit, 40 hex digits, that the branch or tag stood for when asked.
    kind : ``gguf``: `files` are the model or its shards in order, then the mmproj if it has
        one. ``directory``: a model as transformers keeps it, with `path` relative to the
        directory; the format of its manifest shows when the files are there.
    mmproj : path of the image part of a GGUF, which is the last of `files`.
    note : a sentence for the user about a choice that was made for them.
    """

    name: str
    repo: str
    revision: str
    kind: Literal["gguf", "directory"]
    files: tuple[RemoteFile, ...]
    mmproj: str | UnsetType = UNSET
    note: str | UnsetType = UNSET

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
