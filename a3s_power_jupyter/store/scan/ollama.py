"""Read the manifests of Ollama, which name the blobs of its models.

A manifest is ``manifests/<registry>/<owner>/<model>/<tag>``, in the format of OCI images; a blob is
``blobs/sha256-<hex>`` (server/manifest.go and server/modelpath.go of Ollama).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...contract.errors import PowerError
from ...contract.regular_file import read_regular
from . import proposals
from .walk import Folders

_MAX_BYTES = 1 << 18
_KIND = re.compile(r"application/vnd\.ollama\.image\.(?P<kind>[a-z0-9._-]{1,30})")
_DIGEST = re.compile(r"sha256[:-](?P<hex>[0-9a-f]{64})")

_OWN_REGISTRY, _OWN_OWNER = "registry.ollama.ai", "library"

#: What a layer of another media type is called.
OTHER = "another layer"


class OllamaFiles(NamedTuple):
    """The blobs of a model, and what Ollama calls it.

    Attributes
    ----------
    layers : tuple of (str, Path)
        Kinds, such as ``system``, and blobs, in the order of the manifest. The license is not one
        of them.
    """

    name: str
    layers: tuple[tuple[str, Path], ...]

    def of(self, kind: str) -> list[Path]:
        """Return the blobs of a kind."""
        return [path for each, path in self.layers if each == kind]

    @property
    def model(self) -> Path:
        """The GGUF file."""
        return self.of("model")[0]


class _Layer(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str


class _Manifest(msgspec.Struct):
    layers: list[_Layer]


def manifests(root: Path, folders: Folders) -> Iterator[Path]:
    """Yield the manifests in Ollama's folder of models.

    Those of Ollama's library come first, then those of its registry, because their names are the
    ones to show of a model that has several.
    """
    top = root / "manifests"
    for registry in _first(_OWN_REGISTRY, folders.entries(top)[0]):
        for owner in _first(_OWN_OWNER, folders.entries(top / registry)[0]):
            for model in folders.entries(top / registry / owner)[0]:
                folder = top / registry / owner / model
                tags = folders.entries(folder)[1]
                yield from (folder / tag for tag in sorted(tags, key="latest".__eq__))


def _first(name: str, names: list[str]) -> list[str]:
    return sorted(names, key=lambda each: each != name)


def root_of(path: Path) -> Path | None:
    """Return Ollama's folder of models if a path may be that of a manifest in it."""
    is_manifest = len(path.parts) > 5 and path.parts[-5] == "manifests"
    return path.parents[4] if is_manifest else None


def read_manifest(root: Path, path: Path) -> OllamaFiles | None:
    """Return the files of a model.

    Parameters
    ----------
    root : Path
        Ollama's folder of models.
    path : Path
        A file in its folder ``manifests``.

    Returns
    -------
    OllamaFiles or None
        None if the file is no manifest, or the model does not have one GGUF model.
    """
    try:
        manifest = msgspec.json.decode(read_regular(path, _MAX_BYTES), type=_Manifest)
    except (PowerError, OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    layers = tuple(_layers(root, manifest))
    name = _name(path.relative_to(root / "manifests").parts)
    files = OllamaFiles(name, layers)
    return files if len(files.of("model")) == 1 else None


def _layers(root: Path, manifest: _Manifest) -> Iterator[tuple[str, Path]]:
    for layer in manifest.layers:
        media_type, digest = _KIND.fullmatch(layer.media_type), _DIGEST.fullmatch(layer.digest)
        kind = OTHER if media_type is None else media_type["kind"]
        if digest is not None and kind != "license":
            yield kind, root / "blobs" / f"sha256-{digest['hex']}"


def _name(parts: tuple[str, ...]) -> str:
    """Return ``model:tag``, or ``owner/model:tag`` for a model of another owner than Ollama."""
    *folders, model, tag = parts if len(parts) > 1 else ("", *parts)
    owner = folders[-1] if folders else ""
    prefix = f"{owner}/" if owner and folders != [_OWN_REGISTRY, _OWN_OWNER] else ""
    return proposals.clean(f"{prefix}{model}:{tag}")
