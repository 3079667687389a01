"""Run one pull, from the reference to the registered model."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.errors import (
    BadRequest,
    HubError,
    InsufficientDisk,
    InvalidGGUF,
    InvalidModelDirectory,
    ModelAlreadyExists,
    ModelNotFound,
    PowerError,
)
from ...contract.parameters import DefaultParameters
from ...contract.redaction import Redactor
from ...contract.types import Manifest, RegisterRequest, Source, StoredFile
from ...store import ModelStore
from ...store.blobs import BLOBS, HEADROOM
from ...store.directories import make_directory
from ...store.files import file_size
from ...store.formats.mmproj import with_vision
from ...store.os_errors import writing
from ...store.staging import describe_staged
from ..http.addresses import origin_of
from ..http.http_client import Client
from ..http.token import hub_token
from ..protocol import StartPull
from ..resolve.hub_api import HubApi
from ..resolve.plan import Plan, make_plan
from ..resolve.repository import RemoteFile
from ..transfer.download import Throttle
from ..transfer.exceptions import ContentChanged
from ..transfer.fetch import Fetcher, local_copies
from ..transfer.partial_state import PartialPaths, bytes_on_disk, discard
from ..transfer.policy import Policy
from ..transfer.progress import Progress, Reporter

#: How often to plan again if files at the hub change during the download.
MAX_PLANS = 3


class Job:
    """One pull.

    Parameters
    ----------
    request : StartPull
        What to pull.
    reporter : Reporter
        Receives each step and the progress.
    stop : threading.Event
        Set to pause the pull.
    policy : Policy or None
        Retries and timeouts of downloads.
    redactor : Redactor or None
        Receives the token that the pull uses.
    """

    def __init__(
        self,
        request: StartPull,
        reporter: Reporter,
        stop: threading.Event,
        policy: Policy | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._request = request
        self._reporter = reporter
        self._stop = stop
        self._redactor = redactor or Redactor()
        self._policy = policy or Policy()
        self._throttle = Throttle(self._policy.connections)
        self._home = Path(request.home)
        self._store = ModelStore(self._home)
        self._replaced: tuple[StoredFile, ...] | None = None

    def run(self) -> Manifest:
        """Pull the model and register it.

        Raises
        ------
        Stopped
            If the pull is paused.
        PowerError
            If the pull fails.
        """
        reference = self._request.reference
        old = self._existing()  # raises early if the name is invalid or the manifest unreadable
        self._replaced = None if old is None else old.files
        token = hub_token(self._request.token)
        self._redactor.add(token)
        hub = HubApi(
            self._request.endpoint, token, stop=self._stop, on_retry=self._reporter.retrying
        )
        for _ in range(MAX_PLANS):
            self._reporter.resolving()
            plan = make_plan(reference, hub, memory_bytes=self._request.memory_bytes)
            plan.check()
            progress = Progress(plan.files)
            self._reporter.planned(plan, progress)
            try:
                return self._execute(plan, progress, hub.endpoint, token)
            except ContentChanged:
                continue
        raise HubError(
            f"The files of {reference.repo} changed during the download. Try again later."
        )

    def _execute(
        self, plan: Plan, progress: Progress, endpoint: str, token: str | None
    ) -> Manifest:
        hub = origin_of(endpoint)
        fetcher = Fetcher(
            home=self._home,
            name=plan.name,
            store=self._store,
            progress=progress,
            new_client=lambda: Client(hub, token, stall=self._policy.stall, head=self._policy.head),
            stop=self._stop,
            policy=self._policy,
            throttle=self._throttle,
            force=self._request.force,
            on_retry=self._reporter.retrying,
        )
        with self._explaining_full_disk(plan, progress):
            self._prepare(plan, fetcher)
            self._reporter.resuming()
            while True:
                hashes = {file.path: fetcher.fetch(file) for file in plan.files}
                manifest = self._register(plan, hashes)
                if manifest is not None:
                    return manifest

    def _prepare(self, plan: Plan, fetcher: Fetcher) -> None:
        """Find the bytes on disk, and check that the missing ones fit.

        Raises
        ------
        InsufficientDisk
            If they do not.
        """
        make_directory(self._home / BLOBS)
        missing = 0
        for file in plan.files:
            present = file.size if fetcher.has_blob(file) else bytes_on_disk(self._home, file.url)
            fetcher.progress.set(file, present)
            if not self._can_be_shared(file):
                missing += file.size - present
        free = shutil.disk_usage(self._home).free
        if missing and missing + HEADROOM > free:
            raise InsufficientDisk(
                f"{plan.name} needs {missing:,} more bytes, plus {HEADROOM:,} that stay free, but "
                f"the disk of {self._home} has {free:,} free. Free some space, then pull again."
            )

    def _can_be_shared(self, file: RemoteFile) -> bool:
        """Return whether a local copy can be used without taking up space."""
        volume = self._home.stat().st_dev
        return any(copy.stat().st_dev == volume for copy in local_copies(self._home, file))

    @contextmanager
    def _explaining_full_disk(self, plan: Plan, progress: Progress) -> Iterator[None]:
        """Convert errors of the disk to errors that say what to do."""
        with writing(self._home):
            try:
                yield
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                missing = progress.total - progress.completed
                free = shutil.disk_usage(self._home).free
                raise InsufficientDisk(
                    f"The disk of {self._home} is full: {plan.name} needs {missing:,} more bytes, "
                    f"but {free:,} are free. The downloaded bytes are kept. Free some space, then "
                    "pull again."
                ) from None

    def _register(self, plan: Plan, hashes: Mapping[str, str]) -> Manifest | None:
        """Turn the files into blobs and save the manifest.

        Returns None if a file has disappeared, because another server cancelled a pull of it.
        """
        paths = {file.path: self._path(file, hashes[file.path]) for file in plan.files}
        try:
            manifest = self._describe(plan, hashes, paths)
        except BadRequest as error:
            discard(self._home, plan.name)  # these bytes would fail again
            if isinstance(error, (InvalidGGUF, InvalidModelDirectory)):
                raise _damaged(error) from None
            raise
        with self._store.locked():
            self._refuse_to_replace(plan.name)
            for path, sha256 in hashes.items():
                self._store.blobs.adopt_file(paths[path], sha256)
            if any(file_size(self._store.blobs.path(sha256)) is None for sha256 in hashes.values()):
                return None
            self._store.save(manifest)
        discard(self._home, plan.name)
        return manifest

    def _path(self, file: RemoteFile, sha256: str) -> Path:
        partial = PartialPaths.of(self._home, file.url).bytes
        return partial if partial.exists() else self._store.blobs.path(sha256)

    def _describe(
        self, plan: Plan, hashes: Mapping[str, str], paths: Mapping[str, Path]
    ) -> Manifest:
        first = plan.files[0].path if plan.kind == "gguf" else None
        description, described = describe_staged(plan.repo, paths, first)
        request = RegisterRequest(name=plan.name)
        sizes = {file.path: file.size for file in plan.files}

        def stored(path: str, role: Literal["mmproj"] | UnsetType = UNSET) -> StoredFile:
            # The folder of a GGUF file in the repository does not matter for the model.
            name = path if first is None else PurePosixPath(path).name
            return StoredFile(name, sizes[path], hashes[path], role=role)

        files = [stored(path) for path in described]
        if plan.mmproj is not None:
            description = with_vision(description)
            files.append(stored(plan.mmproj, "mmproj"))
        return msgspec.structs.replace(
            description.manifest(request, self._parameters()),
            files=tuple(files),
            source=Source(reference=plan.name, revision=plan.revision),
        )

    def _refuse_to_replace(self, name: str) -> None:
        """Check that the model to be replaced is an earlier pull, or was there at the start.

        Raises
        ------
        ModelAlreadyExists
            If a model was registered under this name meanwhile.
        """
        old = self._existing()
        if old is not None and old.files != self._replaced and old.source.reference != name:
            raise ModelAlreadyExists(
                f"Another model was registered as {name!r} while it was pulled. Delete it, then "
                "pull again. The downloaded files are kept.",
                param="name",
            )

    def _parameters(self) -> DefaultParameters:
        """Return the default parameters that the user has set for this name."""
        old = self._existing()
        return DefaultParameters() if old is None else old.default_parameters

    def _existing(self) -> Manifest | None:
        """Return the model of this name.

        Raises
        ------
        InvalidModelName
            If the name is invalid.
        ManifestUnreadable
            If there is a manifest that cannot be read.
        """
        try:
            return self._store.get(self._request.reference.name)
        except ModelNotFound:
            return None


def _damaged(error: PowerError) -> PowerError:
    """Return the error of verified files that are no model, with what helps."""
    return type(error)(
        f"{error.message} What was downloaded has the checksums of the hub: pull again once it is "
        "replaced there.",
        reason="damaged_on_hub",
    )
