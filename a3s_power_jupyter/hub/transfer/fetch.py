"""Fetch and verify one file: from a local copy if there is one, or from the hub."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import constants

from ...contract.errors import ChecksumMismatch
from ...contract.regular_file import open_regular
from ...store import ModelStore
from ...store.files import file_size, sha256_of, source_file
from ..http.http_client import Client
from ..http.retries import OnRetry, Stopped
from ..resolve.repository import RemoteFile
from .download import READ_SIZE, Download, Throttle
from .partial import Digest, Hasher, Partial
from .partial_state import PartialPaths, bytes_on_disk, content_lock, read_states
from .parts import Part, Parts
from .policy import Policy
from .progress import Progress
from .source import Source

#: Seconds between two checks of a waiting thread.
POLL = 0.2

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Fetcher:
    """Fetch the files of one pull, one after another.

    Attributes
    ----------
    home : Path
        Home of the store.
    name : str
        Name of the model.
    store : ModelStore
        The store on that home.
    progress : Progress
        Updated while a file is fetched.
    new_client : callable
        Creates a client for each connection.
    stop : threading.Event
        Set to pause the pull.
    policy, throttle
        Retries and limits of downloads.
    force : bool
        Hash existing blobs instead of trusting them.
    on_retry : callable
        Called before a request is repeated, from the threads of the connections.
    """

    home: Path
    name: str
    store: ModelStore
    progress: Progress
    new_client: Callable[[], Client]
    stop: threading.Event
    policy: Policy = field(default_factory=Policy)
    throttle: Throttle = field(default_factory=lambda: Throttle(Policy.connections))
    force: bool = False
    on_retry: OnRetry = lambda retry: None
    _checked: set[str] = field(default_factory=set)  # blobs with the right hash

    def fetch(self, file: RemoteFile) -> str:
        """Provide `file` as a blob of the store or as a verified partial.

        Returns
        -------
        str
            SHA-256 of the file.

        Raises
        ------
        Stopped
            If the pull is paused.
        ChecksumMismatch
            If the content did not match the hub's hash twice; the bytes are removed.
        HubError, HubUnauthorized, ContentChanged
            If the download fails.
        OSError
            If the disk cannot be written.
        """
        with self._locked(file):
            if self.has_blob(file):
                self.progress.set(file, file.size)
                return str(file.sha256)
            partial = Partial(self.home, file, self.name)
            try:
                sha256 = partial.verified or self._fill(partial, file)
            finally:
                partial.close()
            self.progress.set(file, file.size)
            return sha256

    def has_blob(self, file: RemoteFile) -> bool:
        """Return whether the store has the file."""
        if not isinstance(file.sha256, str):
            return False
        path = self.store.blobs.path(file.sha256)
        if file_size(path) != file.size:
            return False
        if self.force and file.sha256 not in self._checked:
            if sha256_of(source_file(path)) != file.sha256:
                return False
            self._checked.add(file.sha256)
        return True

    @contextmanager
    def _locked(self, file: RemoteFile) -> Iterator[None]:
        """Hold the lock of a file; while another process has it, show that one's progress."""
        lock = content_lock(self.home, file.url, file.sha256)
        while not lock.acquire():
            self.progress.phase = "waiting"
            self.progress.set(file, bytes_on_disk(self.home, file.url))
            if self.stop.wait(POLL):
                raise Stopped
        self.progress.phase = "downloading"
        try:
            yield
        finally:
            lock.release()

    def _fill(self, partial: Partial, file: RemoteFile) -> str:
        """Complete and verify a partial; return its SHA-256."""
        self._use_local_copy(partial, file)
        digest = self._download(partial, file, partial.parts, partial.write)
        if not digest.matches:
            digest = self._download_again(partial, file)
        if not digest.matches:
            partial.clear()
            raise ChecksumMismatch(
                f"The content of {file.path} did not match the hub's checksum twice, and was "
                "removed. Something on the network may modify it; try again later, or from "
                "another network."
            )
        partial.set_verified(digest.sha256)
        return digest.sha256

    def _download(
        self,
        partial: Partial,
        file: RemoteFile,
        parts: Parts,
        write: Callable[[Part, bytes], None],
    ) -> Digest:
        """Download the missing parts, and hash the whole file meanwhile."""
        self.progress.follow(file, partial.parts)
        hasher = Hasher(file, parts, partial.read)
        try:
            download = Download(
                Source(file),
                parts,
                write,
                self.new_client,
                self.throttle,
                self.policy,
                self.on_retry,
            )
            download.run(self.stop, partial.checkpoint)
            while not hasher.wait(POLL):
                if self.stop.is_set():
                    raise Stopped
            return hasher.result()
        finally:
            hasher.stop()

    def _download_again(self, partial: Partial, file: RemoteFile) -> Digest:
        """Download a complete file with wrong bytes again, and write those that differ.

        The hub states no hashes of ranges, so the wrong bytes are not known in advance.
        """
        if partial.is_linked:  # the linked file must not be changed
            partial.clear()
            return self._download(partial, file, partial.parts, partial.write)
        parts = Parts(file.size)

        def write(part: Part, data: bytes) -> None:
            partial.overwrite(data, part.position)
            parts.advance(part, len(data))

        return self._download(partial, file, parts, write)

    def _use_local_copy(self, partial: Partial, file: RemoteFile) -> None:
        """Fill a partial from a file on this machine that should have the same content."""
        if partial.parts.complete:
            return
        for copy in local_copies(self.home, file):
            if not partial.adopt(copy):
                self.progress.follow(file, partial.parts)
                _copy(copy, partial, self.stop)
            return


def _copy(path: Path, partial: Partial, stop: threading.Event) -> None:
    with os.fdopen(open_regular(path), "rb", buffering=0) as source:
        while (part := partial.parts.assign_from(0)) is not None:
            source.seek(part.start)
            while part.left:
                if stop.is_set():
                    raise Stopped
                partial.write(part, source.read(min(READ_SIZE, part.left)))
            partial.parts.release(part)


def local_copies(home: Path, file: RemoteFile) -> Iterator[Path]:
    """Yield complete files on this machine that should have the content of `file`.

    They have to be hashed before use. They come from the Hugging Face cache, where
    ``models--owner--repo/blobs/<hash>`` is named after the hub's hash, and from other pulls that
    are not registered yet.
    """
    candidates = (*_cached(file), *_pulled(home, file))
    yield from (path for path in candidates if _has_size(path, file.size))


def _cached(file: RemoteFile) -> Iterator[Path]:
    if _HASH.fullmatch(file.etag):
        yield from Path(constants.HF_HUB_CACHE).glob(f"models--*/blobs/{file.etag}")


def _pulled(home: Path, file: RemoteFile) -> Iterator[Path]:
    for state in read_states(home):
        same = isinstance(state.verified, str) and state.verified == file.sha256
        if same and state.url != file.url:
            yield PartialPaths.of(home, state.url).bytes


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:  # not readable, or just removed
        return False
