"""A whole pull, in a process of its own: from the reference to the registered model."""

from __future__ import annotations

import errno
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.errors import BadRequest, HubError, InsufficientDisk, ModelNotFound
from ...contract.parameters import DefaultParameters
from ...contract.types import Manifest, RegisterRequest, Source, StoredFile
from ...store import ModelStore
from ...store.blobs import BLOBS, HEADROOM
from ...store.files import writing
from ...store.formats.mmproj import with_vision
from ...store.staging import describe_staged
from ..protocol import Event, Planned, PullRequest, Resolving, Resuming
from ..resolve.hub_api import HubApi, hub_token
from ..resolve.listing import make_plan
from ..resolve.plan import Plan, RemoteFile
from ..resolve.reference import parse
from ..transfer.discard import discard
from ..transfer.download import Policy, Throttle
from ..transfer.exceptions import ContentChanged
from ..transfer.fetch import Fetcher
from ..transfer.http_client import Client, origin_of
from ..transfer.local_copies import donors
from ..transfer.partial import PartialPaths, bytes_on_disk
from ..transfer.progress import Progress

#: How often the hub is asked anew when it changes files while they are fetched.
ATTEMPTS = 3

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Job:
    """One pull.

    Parameters
    ----------
    send : tells the server an event.
    stop : set when the pull is to pause.
    """

    def __init__(
        self,
        request: PullRequest,
        send: Callable[[Event], None],
        stop: threading.Event,
        policy: Policy | None = None,
    ) -> None:
        self._request = request
        self._send = send
        self._stop = stop
        self._policy = policy or Policy()
        self._throttle = Throttle(self._policy.connections)
        self._home = Path(request.home)
        self._store = ModelStore(self._home)
        #: None until the hub was asked.
        self.progress: Progress | None = None

    def run(self) -> Manifest:
        """Pull the model and register it.

        Raises
        ------
        Stopped
        PowerError
        """
        self._parameters()  # a name that is none, or a damaged manifest, is told at once
        reference = parse(self._request.reference, self._request.revision)
        hub = HubApi(self._request.endpoint, self._request.token)
        for _ in range(ATTEMPTS):
            self._send(Resolving())
            memory = self._request.memory_bytes
            plan = make_plan(reference, hub, name=self._request.name, memory_bytes=memory)
            _check(plan)
            self._send(Planned(plan))
            try:
                return self._carry_out(plan, hub.endpoint)
            except ContentChanged:
                continue
        raise HubError(f"The files of {reference.repo} change while they are fetched. Try later.")

    def _carry_out(self, plan: Plan, endpoint: str) -> Manifest:
        token, hub = hub_token(self._request.token), origin_of(endpoint)
        self.progress = progress = Progress(plan.files)
        fetcher = Fetcher(
            home=self._home,
            name=plan.name,
            store=self._store,
            progress=progress,
            new_client=lambda: Client(self._policy.stall, hub, token),
            stop=self._stop,
            policy=self._policy,
            throttle=self._throttle,
            force=self._request.force,
        )
        with self._writing(plan):
            self._begin(plan, fetcher)
            while True:
                hashes = {file.path: fetcher.fetch(file) for file in plan.files}
                manifest = self._register(plan, hashes)
                if manifest is not None:
                    return manifest

    def _begin(self, plan: Plan, fetcher: Fetcher) -> None:
        """Find what is here, and see that the rest fits on the disk."""
        (self._home / BLOBS).mkdir(parents=True, exist_ok=True)
        needed = 0
        for file in plan.files:
            here = file.size if fetcher.has_blob(file) else bytes_on_disk(self._home, file.url)
            fetcher.progress.set(file, here)
            if not self._can_be_shared(file):
                needed += file.size - here
        free = shutil.disk_usage(self._home).free
        if needed and needed + HEADROOM > free:
            raise InsufficientDisk(
                f"{plan.name} needs {needed:,} bytes more, with {HEADROOM:,} to stay free, and the "
                f"disk of {self._home} has {free:,}. Free some, and pull again."
            )
        progress = fetcher.progress
        if offset := progress.completed:
            self._send(Resuming(offset, progress.total, progress.files))

    def _can_be_shared(self, file: RemoteFile) -> bool:
        """Whether it is on the same volume already, and takes no more space."""
        volume = self._home.stat().st_dev
        return any(donor.stat().st_dev == volume for donor in donors(self._home, file))

    @contextmanager
    def _writing(self, plan: Plan) -> Iterator[None]:
        """Say in words why the disk does not take the files."""
        with writing(self._home):
            try:
                yield
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or self.progress is None:
                    raise
                missing = self.progress.total - self.progress.completed
                free = shutil.disk_usage(self._home).free
                raise InsufficientDisk(
                    f"The disk of {self._home} is full: {plan.name} needs {missing:,} bytes more, "
                    f"and {free:,} are free. What came is kept. Free some, and pull again."
                ) from None

    def _register(self, plan: Plan, hashes: Mapping[str, str]) -> Manifest | None:
        """Make blobs of the files and save the manifest that names them; None if one of them was
        taken away meanwhile, by whoever cancelled another pull of it."""
        paths = {file.path: self._place(file, hashes[file.path]) for file in plan.files}
        try:
            manifest = self._describe(plan, hashes, paths)
        except BadRequest:
            discard(self._home, plan.name)  # it would be no better the next time
            raise
        with self._store.locked():
            for path, sha256 in hashes.items():
                self._store.blobs.adopt_file(paths[path], sha256)
            if not all(self._store.blobs.path(sha256).exists() for sha256 in hashes.values()):
                return None
            self._store.save(manifest)
        discard(self._home, plan.name)
        return manifest

    def _place(self, file: RemoteFile, sha256: str) -> Path:
        partial = PartialPaths(self._home, file.url).bytes
        return partial if partial.exists() else self._store.blobs.path(sha256)

    def _describe(
        self, plan: Plan, hashes: Mapping[str, str], paths: Mapping[str, Path]
    ) -> Manifest:
        first = plan.files[0].path if plan.kind == "gguf" else None
        description, described = describe_staged(plan.repo, paths, first)
        request = RegisterRequest(name=plan.name)
        sizes = {file.path: file.size for file in plan.files}

        def stored(path: str, role: Literal["mmproj"] | UnsetType = UNSET) -> StoredFile:
            # Where a GGUF file is in its repository says nothing of the model.
            name = path if first is None else PurePosixPath(path).name
            return StoredFile(name, sizes[path], hashes[path], role=role)

        files = [stored(path) for path in described]
        if isinstance(plan.mmproj, str):
            description = with_vision(description)
            files.append(stored(plan.mmproj, "mmproj"))
        return msgspec.structs.replace(
            description.manifest(request, self._parameters()),
            files=tuple(files),
            source=Source(reference=self._request.reference, revision=plan.revision),
        )

    def _parameters(self) -> DefaultParameters:
        """What the user chose for a model of this name, which stays.

        Raises
        ------
        InvalidModelName, ManifestUnreadable
        """
        try:
            return self._store.get(self._request.name).default_parameters
        except ModelNotFound:
            return DefaultParameters()


def _check(plan: Plan) -> None:
    """Refuse names and hashes that would lead out of the store: they become paths.

    Raises
    ------
    HubError
    """
    for file in plan.files:
        path = PurePosixPath(file.path)
        safe = path.parts and not path.is_absolute() and ".." not in path.parts
        hashed = not isinstance(file.sha256, str) or _SHA256.fullmatch(file.sha256)
        if not safe or "\\" in file.path or not hashed or file.size < 0:
            raise HubError(f"The hub lists {file.path[:80]!r}, which is no file of a model.")
