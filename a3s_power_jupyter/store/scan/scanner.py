"""Find the models in the folders of one program. Only headers of files are read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...contract.errors import PowerError, UnsupportedModelFormat
from ...contract.regular_file import read_regular
from ..formats.description import Description
from ..formats.gguf_model import describe_gguf
from ..formats.mmproj import is_mmproj, with_mmproj
from ..formats.model_directory import describe_directory
from . import ollama, proposals
from .budget import Budget, ScanStopped
from .ollama import OllamaFiles
from .ollama_settings import NO_SETTINGS, Settings, read_settings
from .places import Place
from .walk import Folders

#: A shard other than the first.
_LATER_SHARD = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_SHA256 = re.compile(r"(?:sha256-)?([0-9a-f]{64})")
#: The best projector first, as in pulls.
_PRECISIONS = ("f16", "bf16", "f32", "q8_0")

#: Projectors of a model that are tried, the best first.
_MAX_PROJECTORS = 4

#: Why a model of Ollama is not listed.
_ADAPTER = "The model has an adapter. Merge it into its base model"

#: Problems that are reported of one place.
_MAX_PROBLEMS = 10
#: Descriptions that are kept for the next scan.
_MAX_KEPT = 2000


@dataclass(frozen=True)
class FoundModel:
    """A model at a path, with a name that may be taken.

    Attributes
    ----------
    sha256 : str or None
        Digest of the only file, if the name of the stored file is its digest.
    manifest : Path or None
        Ollama's manifest, which names the files.
    settings : Settings
        What Ollama keeps with the model.
    """

    path: Path
    name: str
    description: Description
    mmproj: Path | None = None
    sha256: str | None = None
    manifest: Path | None = None
    settings: Settings = NO_SETTINGS


@dataclass(frozen=True)
class Scan:
    """The models of a place, and the folders in which some may be missing."""

    models: list[FoundModel] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)


class Scanner:
    """Scans places. Descriptions of unchanged GGUF files are kept for the next scan.

    The methods are synchronous; a thread for each place may call them.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[int, int, Description | None]] = {}

    def scan(self, place: Place, budget: Budget) -> Scan:
        """Return the models of a place. A folder that does not exist has none."""
        found = Scan()
        if not os.path.isdir(place.path):  # noqa: PTH112 - False if it cannot be reached
            return found
        folders = Folders(budget)
        find = {
            "huggingface": self._hub_cache,
            "lmstudio": self._lm_studio,
            "ollama": self._ollama,
        }[place.source]
        try:
            for model in find(place.path, folders):
                found.models.append(model)
        except ScanStopped as stopped:
            found.problems.append((place.path, str(stopped)))
        found.problems.extend(folders.unreadable[:_MAX_PROBLEMS])
        return found

    # ---------------------------------------------------------------- places

    def _hub_cache(self, root: Path, folders: Folders) -> Iterator[FoundModel]:
        for name in folders.entries(root)[0]:
            repository = proposals.repository_of(name)
            if repository is None:
                continue
            snapshot = _snapshot(root / name, folders)
            if snapshot is not None:
                yield from self._repository(snapshot, repository, folders)

    def _lm_studio(self, root: Path, folders: Folders) -> Iterator[FoundModel]:
        for owner in folders.entries(root)[0]:
            for name in folders.entries(root / owner)[0]:
                yield from self._repository(root / owner / name, f"{owner}/{name}", folders)

    def _ollama(self, root: Path, folders: Folders) -> Iterator[FoundModel]:
        seen: set[tuple[tuple[str, Path], ...]] = set()
        for path in ollama.manifests(root, folders):
            folders.budget.model()
            files = ollama.read_manifest(root, path)
            # Two names of the same model have the same layers.
            if files is None or files.layers in seen:
                continue
            seen.add(files.layers)
            if files.of("adapter"):
                folders.unreadable.append((path, _ADAPTER))
                continue
            model = self._ollama_model(path, files)
            if model is not None:
                yield model

    def _ollama_model(self, path: Path, files: OllamaFiles) -> FoundModel | None:
        description = self._describe(files.model)
        if description is None:
            return None
        found = _found(files.model, files.name, description, files.of("projector"))
        return replace(found, manifest=path, settings=read_settings(files, found.description))

    def ollama_model(self, path: Path) -> FoundModel | None:
        """Return the model of a manifest in Ollama's folder; None if it is none.

        Raises
        ------
        UnsupportedModelFormat
            If it has an adapter, or its file is not a GGUF model.
        """
        root = ollama.root_of(path)
        files = None if root is None else ollama.read_manifest(root, path)
        if files is None:
            return None
        if files.of("adapter"):
            raise UnsupportedModelFormat(f"{path}: {_ADAPTER}.", param="path")
        found = self._ollama_model(path, files)
        if found is None:
            raise UnsupportedModelFormat(
                f"The model {files.name!r} of Ollama has no GGUF file that can be used: "
                f"{files.model}. Run 'ollama pull' again.",
                param="path",
            )
        return found

    # ---------------------------------------------------------------- repositories

    def _repository(self, root: Path, repository: str, folders: Folders) -> Iterator[FoundModel]:
        """Yield the models in the folders of a repository."""
        for folder, names in folders.walk(root):
            below = folder.relative_to(root).parts
            if "config.json" in names and any(n.endswith(".safetensors") for n in names):
                folders.budget.model()
                description = _directory(folder)
                if description is not None:
                    name = proposals.clean("/".join((repository, *below)))
                    yield FoundModel(folder, name, description)
            yield from self._gguf_files(folder, names, repository, below, folders.budget)

    def _gguf_files(
        self,
        folder: Path,
        names: Iterable[str],
        repository: str,
        below: tuple[str, ...],
        budget: Budget,
    ) -> Iterator[FoundModel]:
        """Yield the GGUF models of a folder, each with the projector of the folder."""
        described: dict[str, Description] = {}
        projectors = []
        for name in names:
            if not name.lower().endswith(".gguf") or _LATER_SHARD.search(name):
                continue
            if is_mmproj(name):
                projectors.append(folder / name)
            else:
                budget.model()
                description = self._describe(folder / name)
                if description is not None:
                    described[name] = description
        kinds = {(d.details.family, d.details.embedding_length) for d in described.values()}
        for name, description in described.items():
            title = proposals.in_repository(repository, "/".join((*below, name)))
            # A projector belongs to all models of the folder, if they are sizes of one.
            yield _found(folder / name, title, description, projectors if len(kinds) == 1 else [])

    def _describe(self, path: Path) -> Description | None:
        """Describe a GGUF model; None if it is not one."""
        try:
            status = path.stat()
        except OSError:
            return None
        kept = self._kept.get(path)
        if kept is not None and kept[:2] == (status.st_size, status.st_mtime_ns):
            return kept[2]
        try:
            description = describe_gguf(path)
        except PowerError:
            description = None
        if description is None or len(description.files) == 1:  # other shards may change
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[path] = (status.st_size, status.st_mtime_ns, description)
        return description


def _found(
    path: Path, name: str, description: Description, projectors: Iterable[Path]
) -> FoundModel:
    """Return a GGUF model with the best of the projectors that can be used."""
    digest = _digest(path) if len(description.files) == 1 else None
    for projector in sorted(projectors, key=_precision)[:_MAX_PROJECTORS]:
        try:
            with_projector = with_mmproj(description, projector)
        except PowerError:
            continue
        return FoundModel(path, name, with_projector, projector, digest)
    return FoundModel(path, name, description, sha256=digest)


def _precision(path: Path) -> int:
    tokens = re.split(r"[.-]", path.name.lower())
    ranks = [rank for rank, name in enumerate(_PRECISIONS) if name in tokens]
    return min(ranks, default=len(_PRECISIONS))


def _directory(folder: Path) -> Description | None:
    try:
        return describe_directory(folder, None)
    except (PowerError, OSError):
        return None


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file that is stored under its digest, or links to such a file."""
    try:
        stored = path.readlink() if path.is_symlink() else path
    except OSError:
        return None
    match = _SHA256.fullmatch(stored.name)
    return None if match is None else match[1]


def _snapshot(repository: Path, folders: Folders) -> Path | None:
    """Return the folder of the commit that ``main`` means in the hub's cache, or of the newest."""
    snapshots = repository / "snapshots"
    commits = folders.entries(snapshots)[0] if os.path.isdir(snapshots) else []  # noqa: PTH112
    try:
        main = read_regular(repository / "refs" / "main", 256).decode("ascii", "replace").strip()
    except (PowerError, OSError):
        main = ""
    if main in commits:
        return snapshots / main
    return max((snapshots / commit for commit in commits), key=_modified, default=None)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
