"""Repositories of the test hub: commits, files and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Suffixes of files that the hub keeps in LFS regardless of their size.
LFS_SUFFIXES = (".gguf", ".safetensors", ".bin", ".onnx", ".pt", ".h5", ".msgpack", ".model")
LFS_SIZE = 10 << 20


@dataclass(frozen=True)
class Blob:
    """The content of a file, in memory or on disk, and its hashes in hex.

    Attributes
    ----------
    oid : str
        Id of the git blob with the content, or with the LFS pointer to it.
    """

    content: bytes | Path
    size: int
    sha256: str
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid

    @property
    def pointer_size(self) -> int:
        return len(_pointer(self.sha256, self.size))


def make_blob(path: str, content: bytes | Path) -> Blob:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    sha256 = _digest("sha256", content)
    lfs = path.endswith(LFS_SUFFIXES) or size >= LFS_SIZE
    oid = git_blob_id(_pointer(sha256, size) if lfs else _read(content))
    return Blob(content, size, sha256, oid, lfs)


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _pointer(sha256: str, size: int) -> bytes:
    """Return the text that git stores for a file in LFS."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


def _read(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _digest(algorithm: str, content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.new(algorithm, content).hexdigest()
    digest = hashlib.new(algorithm)
    with content.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


Files = Mapping[str, "bytes | Path"]


def files_of(directory: Path) -> dict[str, bytes | Path]:
    """Return all files below `directory` by relative path."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path for path in files}


@dataclass(frozen=True)
class Card:
    """What the hub says about a repository in a listing."""

    downloads: int = 0
    likes: int = 0
    task: str | None = "text-generation"
    license: str | None = "apache-2.0"
    updated: str = "2026-01-01T00:00:00.000Z"
    parameters: int | None = None
    trending: int = 0


@dataclass
class Repository:
    """A model repository.

    Attributes
    ----------
    gated : bool
        Whether only `readers` have access to files; listings are public.
    private : bool
        Whether only `readers` can see the repository.
    readers : frozenset of str
        Tokens.
    commits : dict of str to dict
        Files by path, by commit id.
    refs : dict of str to str
        Commit ids by branch, tag or pull request (``refs/pr/1``).
    """

    name: str
    gated: bool = False
    private: bool = False
    readers: frozenset[str] = frozenset()
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    card: Card = field(default_factory=Card)

    def commit(self, files: Files, ref: str = "main") -> str:
        """Make `files` the whole content of `ref`; return the id of the commit."""
        blobs = {path: make_blob(path, content) for path, content in sorted(files.items())}
        tree = json.dumps([self.name, *((path, blob.etag) for path, blob in blobs.items())])
        commit = hashlib.sha1(tree.encode(), usedforsecurity=False).hexdigest()
        self.commits[commit] = blobs
        self.refs[ref] = commit
        return commit

    def find(self, revision: str) -> str | None:
        """Return the commit of a revision."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    def info(self, commit: str, *, detailed: bool) -> dict[str, Any]:
        """Return the reply of ``/api/models/{repo}``, with sizes and hashes if `detailed`."""
        blobs = self.commits[commit]
        return self.properties() | {
            "_id": commit[:24],
            "modelId": self.name,
            "author": self.name.partition("/")[0],
            "sha": commit,
            "private": self.private,
            "disabled": False,
            "siblings": [
                {"rfilename": path} | (_sibling(blob) if detailed else {})
                for path, blob in blobs.items()
            ],
        }

    def properties(self) -> dict[str, Any]:
        """Return the properties that a listing can be asked for, and the name."""
        formats = {
            suffix: any(path.endswith(f".{suffix}") for path in self.files)
            for suffix in ("gguf", "safetensors")
        }
        card = self.card
        license_ = [] if card.license is None else [f"license:{card.license}"]
        properties: dict[str, Any] = {
            "id": self.name,
            "downloads": card.downloads,
            "likes": card.likes,
            "gated": "auto" if self.gated else False,
            "lastModified": card.updated,
            "tags": [*(name for name, present in formats.items() if present), *license_],
            "trendingScore": card.trending,
        }
        if card.task is not None:
            properties["pipeline_tag"] = card.task
        if card.parameters is not None and formats["safetensors"]:
            counts = {"BF16": card.parameters}
            properties["safetensors"] = {"parameters": counts, "total": card.parameters}
        if card.parameters is not None and formats["gguf"]:
            properties["gguf"] = {"total": card.parameters, "architecture": "llama"}
        return properties

    @property
    def files(self) -> Mapping[str, Blob]:
        """The files of ``main``."""
        return self.commits.get(self.refs.get("main", ""), {})

    def tree(self, commit: str, folder: str, *, recursive: bool) -> list[dict[str, Any]] | None:
        """Return all pages of ``/api/models/{repo}/tree``; None if there is no such folder."""
        prefix = f"{folder}/" if folder else ""
        below = {p: blob for p, blob in self.commits[commit].items() if p.startswith(prefix)}
        folders = {
            p[: len(prefix) + end]
            for p in below
            for end in _slashes(p[len(prefix) :])[: None if recursive else 1]
        }
        files = {p: blob for p, blob in below.items() if recursive or "/" not in p[len(prefix) :]}
        if folder and not below:
            return None
        entries = [{"type": "directory", "oid": git_blob_id(p.encode()), "size": 0, "path": p}
                   for p in folders]  # fmt: skip
        entries += [_entry(path, blob) for path, blob in files.items()]
        return sorted(entries, key=lambda entry: str(entry["path"]))


def _slashes(path: str) -> list[int]:
    return [index for index, character in enumerate(path) if character == "/"]


def _sibling(blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"blobId": blob.oid, "size": blob.size}
    if blob.lfs:
        entry["lfs"] = {
            "sha256": blob.sha256,
            "size": blob.size,
            "pointerSize": blob.pointer_size,
        }
    return entry


def _entry(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": blob.oid, "size": blob.size, "path": path}
    if blob.lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}
    return entry
