"""Find the models of a repository, and what their memory depends on."""

from __future__ import annotations

import posixpath
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.errors import (
    HubError,
    HubUnauthorized,
    InvalidGGUF,
    InvalidModelDirectory,
    InvalidModelName,
    InvalidReference,
)
from ...contract.types import Geometry
from ...store.formats import directory_geometry, gguf_geometry
from ...store.formats.gguf import Header, parse_header
from ...store.formats.gguf_model import gguf_capabilities
from ...store.formats.model_directory import detect_format
from ..resolve import gguf_files
from ..resolve.directory_files import directory_files, has_weights
from ..resolve.gguf_files import GGUF
from ..resolve.hub_api import HubApi
from ..resolve.reference import parse
from ..resolve.repository import RemoteFile, Repository
from .models import model_of, stored_type
from .protocol import Candidate, Contents, Look, Looked, Shape
from .remote_file import RemoteStart

#: Most models of a repository that are listed, the smallest first.
MAX_CANDIDATES = 300

#: Most headers that are read: the models of a repository usually differ in quantization only. After
#: so many seconds, no further part of one is asked for.
MAX_SHAPES = 4
HEADERS_SECONDS = 30.0

#: Most bytes of weights, and the largest of the other numbers that are believed: more would exceed
#: what a reply can contain once it is multiplied by the context length.
MAX_WEIGHTS = 1 << 50
MAX_NUMBER = 1 << 36


def look(hub: HubApi, request: Look) -> Looked:
    """Return a repository and its models.

    Raises
    ------
    InvalidReference
        If there is no such repository or revision.
    HubError, HubUnauthorized
        See `HubApi`.
    """
    repository, raw = hub.described(request.repo, request.revision)
    model = model_of(raw)
    if model is None:
        raise HubError(f"The hub describes {request.repo} without its name. Check HF_ENDPOINT.")
    if repository.commit == request.known:
        return Looked(model, repository.commit, None)
    files = hub.files(repository).files
    # The name may be a former one.
    prefix = repository.repo + request.repository.removeprefix(request.repo)
    found, formats = _Contents(hub, repository, files, prefix, raw).find()
    return Looked(msgspec.structs.replace(model, formats=formats), repository.commit, found)


class _Contents:
    """Reads the models of one repository."""

    def __init__(
        self,
        hub: HubApi,
        repository: Repository,
        files: Sequence[RemoteFile],
        prefix: str,
        raw: Any,
    ) -> None:
        self._hub = hub
        self._repository = repository
        self._files = files
        self._prefix = prefix
        self._raw = raw
        self._problem: str | None = None
        self._images: dict[str, int] = {}
        self._due = time.monotonic() + HEADERS_SECONDS
        self._ggufs_only = [file for file in files if file.path.lower().endswith(".gguf")]
        # Models among more files are referred to by their paths, as a pull chooses none of them.
        self._has_few = len(self._ggufs_only) <= gguf_files.MAX_CHOSEN_FROM

    def find(self) -> tuple[Contents, tuple[Any, ...]]:
        """Return the models, and their formats."""
        directory = self._directory()
        ggufs = self._ggufs(is_choice=directory is None)
        found = [*([] if directory is None else [directory]), *ggufs]
        found.sort(key=lambda candidate: (candidate.size_bytes, candidate.reference))
        formats = tuple(dict.fromkeys(c.format for c in (*ggufs, *found)))
        return Contents(tuple(found[:MAX_CANDIDATES]), self._problem), formats

    # ------------------------------------------------------------ GGUF

    def _ggufs(self, *, is_choice: bool) -> list[Candidate]:
        everything = gguf_files.models(self._ggufs_only)
        models = sorted(everything, key=lambda model: model.size)[:MAX_CANDIDATES]
        choices = gguf_files.choices(self._ggufs_only) if is_choice else []
        chosen_from = {model.path for model in choices}
        labels = Counter(model.quantization for model in models)
        shapes = self._shapes(models)
        found = []
        for model in models:
            reference = self._reference(model, everything)
            if reference is None:
                continue
            mmproj = gguf_files.mmproj(model, self._ggufs_only) if self._has_few else None
            shape = shapes.get(model.group, UNSET)
            if shape is not UNSET:
                geometry = msgspec.structs.replace(
                    shape.geometry,
                    weights=model.size,
                    projector=0 if mmproj is None else mmproj.size,
                    image=0 if mmproj is None else self._image_values(mmproj),
                )
                shape = msgspec.structs.replace(shape, geometry=geometry)
            unique = model.quantization is not None and labels[model.quantization] == 1
            found.append(
                Candidate(
                    reference=reference,
                    label=str(model.quantization) if unique else _file_label(model),
                    format="gguf",
                    size_bytes=model.size + (mmproj.size if mmproj else 0),
                    weights=model.size,
                    file_count=len(model.files) + (mmproj is not None),
                    sha256=_hashes(model.files),
                    is_choice=model.path in chosen_from,
                    shape=shape,
                )
            )
        return found

    def _reference(self, model: GGUF, models: Sequence[GGUF]) -> str | None:
        """Return the shortest reference to a model; None if a name cannot express it."""
        tag = model.quantization
        texts = [f"{self._prefix}/{model.path}"]
        if tag is not None and self._has_few and [m for m in models if m.has_token(tag)] == [model]:
            texts.insert(0, f"{self._prefix}:{tag}")
        for text in texts:
            with suppress(InvalidReference, InvalidModelName):
                parse(text)
                return text
        return None

    def _shapes(self, models: Sequence[GGUF]) -> dict[tuple[str, str], Shape]:
        """Return the shapes by `GGUF.group`, each read from the smallest of its models."""
        smallest: dict[tuple[str, str], GGUF] = {}
        for model in models:
            smallest.setdefault(model.group, model)
        found = {}
        for group, model in [*smallest.items()][:MAX_SHAPES]:
            header = self._header(model.files[0])
            if header is None:
                continue
            if (shape := _believable(_shape(header))) is not None:
                found[group] = shape
            else:
                self._problem = f"The header of {model.path} has impossible numbers."
        return found

    def _header(self, file: RemoteFile) -> Header | None:
        """Return the header of a file; None if it cannot be read or used."""
        try:
            start = RemoteStart(self._hub, self._repository, file, due=self._due)
            return parse_header(start, f"{self._repository.repo}/{file.path}", file.size)
        except (HubUnauthorized, HubError) as error:  # the listing of a gated repository is public
            self._problem = error.message
        except InvalidGGUF:
            self._problem = f"{file.path} is not a valid GGUF file."
        return None

    def _image_values(self, mmproj: RemoteFile) -> int:
        """Return how many values an mmproj has for an image; of few, which most models share."""
        if mmproj.path not in self._images:
            header = self._header(mmproj) if len(self._images) < MAX_SHAPES else None
            values = 0 if header is None else gguf_geometry.image_values(header)
            self._images[mmproj.path] = min(values, MAX_NUMBER)
        return self._images[mmproj.path]

    # ------------------------------------------------------------ safetensors

    def _directory(self) -> Candidate | None:
        """Return the safetensors model; None if there is none that can be loaded."""
        files = {file.path: file for file in self._files}
        if "config.json" not in files or not has_weights(files):
            return None
        try:
            parts = directory_files(self._repository.repo, files, self._json)
            config = self._json(files["config.json"])
            shape = _directory_shape(config, self._raw, has_modules="modules.json" in files)
        except InvalidModelDirectory:
            return None
        except (HubUnauthorized, HubError) as error:
            self._problem = error.message
            weights = [file for path, file in files.items() if path.endswith(".safetensors")]
            parts, shape = tuple(weights), UNSET
        weights = [file for file in parts if file.path.endswith(".safetensors")]
        return Candidate(
            reference=parse(self._prefix).name,
            label=(None if shape is UNSET else shape.quantization) or "safetensors",
            format="safetensors",
            size_bytes=sum(file.size for file in parts),
            weights=sum(file.size for file in weights),
            file_count=len(parts),
            sha256=_hashes(weights),
            is_choice=True,
            shape=shape,
        )

    def _json(self, file: RemoteFile) -> Any:
        return self._hub.json(self._repository, file)


def _shape(header: Header) -> Shape:
    geometry = gguf_geometry.read_geometry([header])
    return Shape(
        "gguf",
        geometry,
        gguf_capabilities(header, header.tensors),
        context_length=geometry.context_length or UNSET,
    )


def _believable(shape: Shape) -> Shape | None:
    """Return a shape if its numbers can be those of a model, else None."""
    geometry = shape.geometry
    sizes = max(geometry.weights, geometry.embedding)
    others = (
        getattr(geometry, name)
        for name in Geometry.__struct_fields__
        if name not in ("weights", "embedding")
    )
    return shape if sizes <= MAX_WEIGHTS and max(others) <= MAX_NUMBER else None


def _directory_shape(config: Any, raw: Any, *, has_modules: bool) -> Shape | UnsetType:
    if not isinstance(config, dict):
        return UNSET
    geometry = directory_geometry.read_geometry(config)
    format_ = detect_format(config, has_modules=has_modules)
    model = model_of(raw)
    count = UNSET if model is None or config.get("quantization_config") else model.parameter_count
    shape = Shape(
        format_,
        geometry,
        ("embeddings",) if format_ == "huggingface" else ("completion",),
        context_length=geometry.context_length or UNSET,
        parameter_count=count,
        quantization=stored_type(raw) or UNSET,
    )
    return _believable(shape) or UNSET


def _file_label(model: GGUF) -> str:
    folder = posixpath.dirname(model.path)
    return f"{folder}/{model.stem}" if folder else model.stem


def _hashes(files: Sequence[RemoteFile]) -> tuple[str, ...]:
    return tuple(str(file.sha256) for file in files if file.sha256 is not UNSET)
