"""One file of the hub, from wherever it can be had, until it is here and is the right one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ...contract.errors import ChecksumMismatch
from ...store import ModelStore
from ...store.files import sha256_of, source_file
from ..resolve.plan import RemoteFile
from .download import READ, Download, Policy, Throttle
from .exceptions import Stopped
from .hasher import Digest, Hasher
from .http_client import Client
from .local_copies import donors
from .partial import Partial, bytes_on_disk, content_lock
from .parts import Part, Parts
from .progress import Progress
from .source import Source

#: Seconds between two looks of whoever waits.
LOOK = 0.2


@dataclass(frozen=True)
class Fetcher:
    """Fetches the files of one pull, one after the other.

    Attributes
    ----------
    name : the model that wants them.
    new_client : makes a client for each connection.
    stop : set when the pull is to pause.
    force : do not trust a blob that is there: hash it.
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
    _right: set[str] = field(default_factory=set)  # blobs that were hashed

    def fetch(self, file: RemoteFile) -> str:
        """Have `file` as a blob of the store, or as a partial that is verified.

        Returns
        -------
        str
            Its SHA-256.

        Raises
        ------
        Stopped
        ChecksumMismatch
            Twice other bytes came than the hub states; they were removed.
        HubError, HubUnauthorized, ContentChanged
        OSError
            The disk does not take it.
        """
        with self._held(file):
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
        """Whether the store has it."""
        if not isinstance(file.sha256, str):
            return False
        path = self.store.blobs.path(file.sha256)
        if not path.exists() or path.stat().st_size != file.size:
            return False
        if self.force and file.sha256 not in self._right:
            if sha256_of(source_file(path)) != file.sha256:
                return False
            self._right.add(file.sha256)
        return True

    @contextmanager
    def _held(self, file: RemoteFile) -> Iterator[None]:
        """Hold the lock of a file; meanwhile show how far the one is who has it."""
        lock = content_lock(self.home, file.url, file.sha256)
        while not lock.acquire():
            self.progress.phase = "waiting"
            self.progress.set(file, bytes_on_disk(self.home, file.url))
            if self.stop.wait(LOOK):
                raise Stopped
        self.progress.phase = "working"
        try:
            yield
        finally:
            lock.release()

    def _fill(self, partial: Partial, file: RemoteFile) -> str:
        """Complete a partial and verify it; its SHA-256."""
        self._take_from_donor(partial, file)
        digest = self._download(partial, file, partial.parts, partial.write)
        if not digest.is_right:
            digest = self._download_again(partial, file)
        if not digest.is_right:
            partial.clear()
            raise ChecksumMismatch(
                f"{file.path} arrived twice with other content than the hub states, and was "
                "removed. Something between the hub and here changes it; try again later, or "
                "from another network."
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
        """Fetch what is missing in `parts`, and hash all of the file meanwhile."""
        self.progress.follow(file, partial.parts)
        hasher = Hasher(file, parts, partial.read)
        try:
            download = Download(
                Source(file), parts, write, self.new_client, self.throttle, self.policy
            )
            download.run(self.stop, partial.checkpoint)
            while not hasher.wait(LOOK):
                if self.stop.is_set():
                    raise Stopped
            return hasher.result()
        finally:
            hasher.stop()

    def _download_again(self, partial: Partial, file: RemoteFile) -> Digest:
        """All bytes are here and some are wrong: fetch again, and write those that differ.

        Which ones they are cannot be told before: the hub states no hashes of ranges.
        """
        if partial.is_linked:  # to a file that is not ours to change
            partial.clear()
            return self._download(partial, file, partial.parts, partial.write)
        parts = Parts(file.size)

        def write(part: Part, data: bytes) -> None:
            partial.mend(data, part.position)
            parts.advance(part, len(data))

        return self._download(partial, file, parts, write)

    def _take_from_donor(self, partial: Partial, file: RemoteFile) -> None:
        """Fill a partial with a file of this machine that is said to have the same content."""
        if partial.parts.complete:
            return
        for donor in donors(self.home, file):
            if partial.borrow(donor):
                return
            self.progress.follow(file, partial.parts)
            _copy(donor, partial, self.stop)
            return


def _copy(donor: Path, partial: Partial, stop: threading.Event) -> None:
    with donor.open("rb", buffering=0) as source:
        while (part := partial.parts.claim_rest(0)) is not None:
            source.seek(part.start)
            while part.left:
                if stop.is_set():
                    raise Stopped
                partial.write(part, source.read(min(READ, part.left)))
            partial.parts.release(part)
