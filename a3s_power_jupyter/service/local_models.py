"""Find models that other programs have downloaded, and name models to register."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import UNSET

from ..contract.errors import InvalidParameter, PowerError
from ..contract.parameters import DefaultParameters, changed_parameters
from ..contract.types import (
    LocalModel,
    LocalModels,
    Manifest,
    Model,
    RegisterBody,
    RegisterRequest,
    ScanProblem,
)
from ..store.files import user_path
from ..store.scan import titles
from ..store.scan.budget import Budget
from ..store.scan.ollama import root_of
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

    async def completed(self, body: RegisterBody) -> tuple[RegisterRequest, tuple[str, ...]]:
        """Return the request to register what `body` says, with what is not in it.

        A path of Ollama's manifest is replaced by that of its model, with the projector, the system
        prompt and the parameters of the manifest; parameters of the body take precedence. A name
        is proposed if there is none. A path that is registered already gets the name that it
        has.

        Returns
        -------
        request : RegisterRequest
        notes : tuple of str
            What of Ollama's manifest is not taken over, as sentences.

        Raises
        ------
        InvalidParameter
            If it has neither a name nor a path, or a parameter is not valid.
        UnsupportedModelFormat
            If the path is a manifest of Ollama, and its model cannot be used.
        PathUnreadable
            If the folder does not respond.
        """
        if body.path is None or body.format == "remote" or body.upstream is not None:
            if body.name is UNSET:
                raise InvalidParameter(
                    "The name is missing. Set it to the name that the model gets here.",
                    param="name",
                )
            return _request(body, body.name), ()
        path = user_path(body.path)
        found = None
        if root_of(path) is not None:
            found = await self._threads.run(self._scanner.ollama_model, path)
        if body.name is not UNSET:
            name = body.name
        elif found is None:
            name = await self._free(path, await self._threads.run(titles.of_model, path))
        else:
            name = await self._free(found.path, found.name, if_equal=True)
        request = _request(body, name)
        if found is None:
            return request, ()
        return _with_settings(request, found), found.settings.notes

    async def _free(self, path: Path, proposed: str, *, if_equal: bool = False) -> str:
        """Return a name for the model at a path.

        A model that is registered from the path keeps its name, with `if_equal` only if that is
        `proposed`, because other models have the file, too.
        """
        listing = await self._catalog.usable_listing()
        names = (manifest.name for manifest in listing.manifests)
        here = (m.name for m in listing.manifests if m.source.path == str(path))
        kept = (name for name in here if not if_equal or name == proposed)
        return next(kept, None) or FreeNames(names).take(proposed)


def kept_parameters(request: RegisterRequest, model: Model) -> tuple[str, ...]:
    """Return a note if a registered model has other parameters than those of its files."""
    own = request.own_parameters
    if request.default_parameters is not None or own in (
        DefaultParameters(),
        model.default_parameters,
    ):
        return ()
    return (
        "The model keeps its default parameters, which differ from those in Ollama. To take those "
        "over, register it again with overwrite.",
    )


def _request(body: RegisterBody, name: str) -> RegisterRequest:
    return RegisterRequest(
        name,
        path=body.path,
        mmproj=body.mmproj,
        format=body.format,
        default_parameters=body.default_parameters,
        copy=body.copy,
        overwrite=body.overwrite,
        upstream=body.upstream,
    )


def _with_settings(request: RegisterRequest, found: FoundModel) -> RegisterRequest:
    """Return a request for the files of a manifest, and with its settings."""
    given, own = request.default_parameters, found.settings.parameters
    merged = None if given is None else msgspec.to_builtins(changed_parameters(own, given))
    projector = None if found.mmproj is None else str(found.mmproj)
    return msgspec.structs.replace(
        request,
        path=str(found.path),
        mmproj=request.mmproj or projector,
        default_parameters=merged,
        own_parameters=own,
    )


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
    found: Sequence[tuple[Place, FoundModel]], registered: Sequence[Manifest]
) -> list[LocalModel]:
    """Return what was found, each with a name of its own."""
    by_content = _by_content(registered)
    uses = Counter(model.path for _, model in found)
    names = FreeNames(manifest.name for manifest in registered)
    models = []
    for place, model in sorted(found, key=lambda item: (item[0].source, item[1].name)):
        keys = [str(model.path), *([model.sha256] if model.sha256 else [])]
        same_files = [manifest for key in keys for manifest in by_content.get(key, ())]
        installed = _installed(model, same_files, is_only=uses[model.path] == 1)
        models.append(_local_model(place, model, installed or names.take(model.name), installed))
    return models


def _local_model(place: Place, model: FoundModel, name: str, installed: str | None) -> LocalModel:
    description, settings = model.description, model.settings
    has_parameters = settings.parameters != DefaultParameters()
    return LocalModel(
        path=str(model.manifest or model.path),
        name=name,
        format=description.format,
        size_bytes=sum(file.size for file in description.files),
        source=place.source,
        parameters=description.details,
        capabilities=description.capabilities,
        installed=installed,
        mmproj=UNSET if model.mmproj is None else str(model.mmproj),
        default_parameters=settings.parameters if has_parameters else UNSET,
        notes=settings.notes or UNSET,
    )


def _installed(model: FoundModel, same_files: Sequence[Manifest], *, is_only: bool) -> str | None:
    """Return the name of the registered model that a found one is.

    Parameters
    ----------
    same_files : sequence of Manifest
        Registered models with its weights.
    is_only : bool
        Whether no other model that was found has them. Those of Ollama also differ in their
        parameters and projectors.
    """
    candidates = list(same_files)
    if model.manifest is not None:
        same = [m for m in candidates if _is_same(m, model)]
        is_plain = is_only and model.settings.parameters == DefaultParameters()
        named = [m for m in candidates if m.name == model.name]
        candidates = named + same + (candidates if is_plain else [])
    return candidates[0].name if candidates else None


def _is_same(manifest: Manifest, model: FoundModel) -> bool:
    projectors = [file.sha256 for file in manifest.files if file.role is not UNSET]
    expected = [] if model.mmproj is None else [model.mmproj.name.removeprefix("sha256-")]
    return manifest.default_parameters == model.settings.parameters and projectors == expected


def _by_content(registered: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    """Return registered models by path, and by digest if they are one file."""
    found: dict[str, list[Manifest]] = {}
    for manifest in registered:
        weights = [file for file in manifest.files if file.role is UNSET]
        keys = {manifest.source.path, *(file.path for file in weights[:1])}
        if len(weights) == 1:
            keys.add(weights[0].sha256)
        for key in keys:
            if key is not UNSET:
                found.setdefault(key, []).append(manifest)
    return found
