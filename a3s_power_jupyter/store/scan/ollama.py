"""Read the manifests of Ollama, which name the blobs of its models.

A manifest is ``manifests/<registry>/<owner>/<model>/<tag>``, in the format of OCI images; a blob is
``blobs/sha256-<hex>`` (server/manifest.go and server/modelpath.go of Ollama).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...contract.errors import PowerError
from ...contract.regular_file import read_regular
from . import proposals

_MAX_BYTES = 1 << 18
_MODEL = "application/vnd.ollama.image.model"
_PROJECTOR = "application/vnd.ollama.image.projector"
#: An adapter changes the model, so the model alone is another one.
_ADAPTER = "application/vnd.ollama.image.adapter"
_DIGEST = re.compile(r"sha256[:-](?P<hex>[0-9a-f]{64})")

_OWN_REGISTRY, _OWN_OWNER = "registry.ollama.ai", "library"


class OllamaFiles(NamedTuple):
    """The GGUF files of a model, and what Ollama calls it."""

    name: str
    model: Path
    projectors: list[Path]


class _Layer(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str


class _Manifest(msgspec.Struct):
    layers: list[_Layer]


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
        None if the file is no manifest, or the model does not consist of one GGUF model.
    """
    try:
        manifest = msgspec.json.decode(read_regular(path, _MAX_BYTES), type=_Manifest)
    except (PowerError, OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    blobs = {kind: _blobs(root, manifest, kind) for kind in (_MODEL, _PROJECTOR, _ADAPTER)}
    if len(blobs[_MODEL]) != 1 or blobs[_ADAPTER]:
        return None
    name = _name(path.relative_to(root / "manifests").parts)
    return OllamaFiles(name, blobs[_MODEL][0], blobs[_PROJECTOR])


def _blobs(root: Path, manifest: _Manifest, kind: str) -> list[Path]:
    digests = (
        _DIGEST.fullmatch(layer.digest) for layer in manifest.layers if layer.media_type == kind
    )
    return [root / "blobs" / f"sha256-{match['hex']}" for match in digests if match is not None]


def _name(parts: tuple[str, ...]) -> str:
    """Return ``model:tag``, or ``owner/model:tag`` for a model of another owner than Ollama."""
    *folders, model, tag = parts if len(parts) > 1 else ("", *parts)
    owner = folders[-1] if folders else ""
    prefix = f"{owner}/" if owner and folders != [_OWN_REGISTRY, _OWN_OWNER] else ""
    return proposals.clean(f"{prefix}{model}:{tag}")
