"""Read the manifests of A3S Power, which has its store at the same place.

The fields are those of ``ModelManifest`` in its ``src/model/manifest.rs``. A manifest is left as it
is until a model is registered again or its default parameters change, so A3S Power can still
be used.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from ..contract.errors import PowerError
from ..contract.parameters import DefaultParameters, check_default_parameters
from ..contract.text import unstopped
from ..contract.types import Manifest, RegisterRequest, Source, StoredFile
from .blobs import BLOB_PREFIX
from .files import file_size, source_file
from .formats.description import Description, with_template
from .formats.gguf_model import describe_gguf
from .formats.mmproj import with_mmproj
from .names import check_name

#: A hash, bare or with the prefix of registries or of blobs.
_HASH = re.compile(r"(?:sha256[:-])?([0-9a-f]{64})", re.IGNORECASE)

#: Parameters of a Modelfile with another name here.
_RENAMED = {"num_predict": "max_tokens"}

#: The start of an action in a template of Ollama, which is in Go's language and not in Jinja.
_GO_ACTION = re.compile(r"\{\{-?\s*(?:\.|if |range |\$|end)")


class CannotRead(Exception):
    """The model of a manifest of A3S Power cannot be used as it is.

    The message says why, without a full stop.
    """


class A3SManifest(msgspec.Struct, frozen=True):
    """The fields of A3S Power's manifests that matter here."""

    name: str
    format: Literal["gguf", "safetensors", "huggingface", "vision", "remote"]
    size: int
    sha256: str
    created_at: str
    path: str
    system_prompt: str | None = None
    template_override: str | None = None
    default_parameters: dict[str, Any] | None = None
    adapter_path: str | None = None
    projector_path: str | None = None
    messages: list[Any] = []

    @property
    def created(self) -> int:
        """Unix time of `created_at`.

        Raises
        ------
        ValueError, OverflowError
            If it is not a time.
        """
        # Rust writes up to nine digits of a second, and datetime reads six.
        text = re.sub(r"\.\d+", "", self.created_at).replace("Z", "+00:00")
        return int(datetime.fromisoformat(text).timestamp())

    def parameters(self) -> tuple[DefaultParameters, tuple[str, ...]]:
        """Return the default parameters, and the settings that have no effect here."""
        known: dict[str, Any] = {}
        ignored = ["messages"] if self.messages else []
        wanted = {_RENAMED.get(k, k): v for k, v in (self.default_parameters or {}).items()}
        if self.system_prompt:
            wanted["system"] = self.system_prompt
        if self.template_override and _GO_ACTION.search(self.template_override):
            ignored.append("template")
        elif self.template_override:
            wanted["chat_template"] = self.template_override
        for field, value in wanted.items():
            try:
                check_default_parameters({field: value})
            except PowerError:
                ignored.append(field)
            else:
                known[field] = value
        return check_default_parameters(known), tuple(sorted(ignored))

    def registration(self) -> RegisterRequest:
        """Return the request that registers the model with its files where they are."""
        return RegisterRequest(
            name=self.name,
            path=self.path,
            mmproj=self.projector_path,
            format=self.format,
            overwrite=True,
        )


def decode_a3s(text: bytes) -> A3SManifest | None:
    """Return a manifest of A3S Power, or None if the text is not one."""
    try:
        manifest = msgspec.json.decode(text, type=A3SManifest)
        check_name(manifest.name)
        manifest.created  # noqa: B018 - raises ValueError or OverflowError
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError, PowerError):
        return None
    return manifest


def read_a3s(manifest: A3SManifest, blobs: Path) -> Manifest:
    """Return our manifest for one of A3S Power, from the header of the model's file.

    Parameters
    ----------
    blobs : Path
        The directory of the blobs. It is searched for files by their hash first, because the
        home may have been moved since, and the manifest has absolute paths.

    Raises
    ------
    CannotRead
        If it is not a GGUF model, its file is missing, or something of it is not supported.
    """
    if manifest.format == "remote":
        raise CannotRead(
            "its upstream is in the configuration of A3S Power. Register it with its address"
        )
    if manifest.adapter_path:
        raise CannotRead("it has a LoRA adapter, which is not supported")
    if manifest.format != "gguf":
        raise CannotRead("the files of its directory have no hashes yet. Register it again")
    files = [_stored(manifest.path, manifest.sha256, manifest.size, blobs)]
    if manifest.projector_path:
        hash_in_name = Path(manifest.projector_path).name
        files.append(_stored(manifest.projector_path, hash_in_name, None, blobs))
    description = _described([_path(file, blobs) for file in files])
    parameters, ignored = manifest.parameters()
    roles = [file.role for file in description.files]
    return Manifest(
        name=manifest.name,
        format="gguf",
        created=manifest.created,
        files=tuple(
            msgspec.structs.replace(file, role=role)
            for file, role in zip(files, roles, strict=True)
        ),
        details=description.details,
        capabilities=with_template(description.capabilities, parameters),
        context_length=description.context_length,
        default_parameters=parameters,
        source=Source(path=manifest.path),
        generation_defaults=description.generation.defaults,
        unsupported_settings=(*description.generation.unsupported, *ignored),
    )


def _described(paths: list[Path]) -> Description:
    try:
        description = describe_gguf(paths[0])
        return with_mmproj(description, paths[1]) if len(paths) > 1 else description
    except PowerError as error:
        raise CannotRead(unstopped(error.message)) from None


def _stored(path: str, sha256: str, size: int | None, blobs: Path) -> StoredFile:
    match = _HASH.fullmatch(sha256)
    if match is None:
        raise CannotRead(f"the file {path} has no hash yet. Register it again")
    digest = match[1].lower()
    blob = blobs / f"{BLOB_PREFIX}{digest}"
    found = file_size(blob)
    if found is not None:
        return StoredFile(Path(path).name, found if size is None else size, digest)
    try:
        source = source_file(Path(path))
    except PowerError as error:
        raise CannotRead(unstopped(error.message)) from None
    stored = StoredFile(source.name, source.size if size is None else size, digest)
    return msgspec.structs.replace(stored, path=str(source.path), mtime_ns=source.mtime_ns)


def _path(file: StoredFile, blobs: Path) -> Path:
    return blobs / f"{BLOB_PREFIX}{file.sha256}" if file.path is UNSET else Path(file.path)
