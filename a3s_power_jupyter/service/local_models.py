"""Find models that other programs have downloaded, and name models to register."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
from msgspec import UNSET

from ..contract.errors import InvalidParameter, PowerError
from ..contract.types import LocalModel, LocalModels, Manifest, RegisterRequest, ScanProblem
from ..store.files import user_path
from ..store.scan import proposals
from ..store.scan.budget import Budget
from ..store.scan.places import Place
from ..store.scan.proposals import FreeNames
from ..store.scan.scanner import FoundModel, Scan, Scanner
from ..store.threads import Threads
from .catalog import Catalog

#: Seconds to wait for the folders of one program. A scan that takes longer goes on.
PATIENCE = 20.0


class LocalModelFinder:
    """Finds models on this machine. Nothing blocks the event loop.

    A place that hangs is scanned by one thread, however often models are listed, and the others
    are listed without it.

    Parameters
    ----------
    places : callable
        Returns the folders to look into.
    """

    def __init__(
        self, catalog: Catalog, threads: Threads, places: Callable[[], Sequence[Place]]
    ) -> None:
        self._catalog = catalog
        self._threads = threads
        self._places = places
        self._scanner = Scanner()
        self._scans: dict[Place, asyncio.Task[Scan]] = {}

    async def models(self) -> LocalModels:
        """Return the models of all places, with what is registered already."""
        places = self._places()
        scans = [self._scan(place) for place in places]
        if scans:
            await asyncio.wait(scans, timeout=PATIENCE)
        found: list[tuple[Place, FoundModel]] = []
        problems: list[ScanProblem] = []
        for place, scan in zip(places, scans, strict=True):
            done = _result(place, scan)
            if isinstance(done, ScanProblem):
                problems.append(done)
                continue
            found += [(place, model) for model in done.models]
            problems += [ScanProblem(str(path), f"{reason}.") for path, reason in done.problems]
        listing = await self._catalog.listing()
        return LocalModels(tuple(_listed(found, listing.manifests)), tuple(problems))

    def _scan(self, place: Place) -> asyncio.Task[Scan]:
        """Return the scan of a place in progress, or start one."""
        task = self._scans.get(place)
        if task is None:
            scanning = self._threads.run(self._scanner.scan, place, Budget(), seconds=None)
            task = self._scans[place] = asyncio.ensure_future(scanning)
            task.add_done_callback(partial(self._forget, place))
        return task

    def _forget(self, place: Place, task: asyncio.Task[Scan]) -> None:
        del self._scans[place]
        if not task.cancelled():
            task.exception()  # it is part of the reply, if somebody still waits for one

    async def named(self, request: RegisterRequest) -> RegisterRequest:
        """Return a request to register files with a name, proposed if it has none.

        A path that is registered already gets the name that it has.

        Raises
        ------
        InvalidParameter
            If it has neither a name nor a path.
        """
        if request.name:
            return request
        if request.path is None:
            raise InvalidParameter(
                "The name is missing. Set it to the name that the model gets here.", param="name"
            )
        path = user_path(request.path)
        listing = await self._catalog.usable_listing()
        names = (manifest.name for manifest in listing.manifests)
        here = (m.name for m in listing.manifests if m.source.path == str(path))
        name = next(here, None) or FreeNames(names).take(proposals.of_path(path))
        return msgspec.structs.replace(request, name=name)


def _result(place: Place, scan: asyncio.Task[Scan]) -> Scan | ScanProblem:
    if not scan.done():
        return ScanProblem(
            str(place.path),
            "The folder does not respond. Check its disk, or the server of a network disk.",
        )
    try:
        return scan.result()
    except PowerError as error:
        return ScanProblem(str(place.path), error.message)


def _listed(
    found: Iterable[tuple[Place, FoundModel]], registered: Sequence[Manifest]
) -> list[LocalModel]:
    """Return what was found, each with a name of its own."""
    by_content = _names_by_content(registered)
    names = FreeNames(manifest.name for manifest in registered)
    models = []
    for place, model in sorted(found, key=lambda item: (item[0].source, item[1].name)):
        keys = [str(model.path), *([model.sha256] if model.sha256 else [])]
        installed = next((by_content[key] for key in keys if key in by_content), None)
        name = installed or names.take(model.name)
        description = model.description
        models.append(
            LocalModel(
                path=str(model.path),
                name=name,
                format=description.format,
                size_bytes=sum(file.size for file in description.files),
                source=place.source,
                parameters=description.details,
                capabilities=description.capabilities,
                installed=installed,
                mmproj=UNSET if model.mmproj is None else str(model.mmproj),
            )
        )
    return models


def _names_by_content(registered: Sequence[Manifest]) -> dict[str, str]:
    """Return the names of registered models by path, and by digest if they are one file."""
    names: dict[str, str] = {}
    for manifest in registered:
        weights = [file for file in manifest.files if file.role is UNSET]
        keys = [manifest.source.path, *(file.path for file in weights[:1])]
        if len(weights) == 1:
            keys.append(weights[0].sha256)
        for key in keys:
            if key is not UNSET:
                names.setdefault(key, manifest.name)
    return names
