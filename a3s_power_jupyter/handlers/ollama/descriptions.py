"""Describe models as ``/api/tags``, ``/api/ps`` and ``/api/show`` do.

Sources: https://docs.ollama.com/api/tags, ``api/types.go`` and ``format/format.go`` of Ollama.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.types import Manifest, Model
from .names import listed

#: When a model expires that no timer unloads: at the end of the year 9999, the last in RFC 3339.
NEVER = 253_402_300_799

#: Our capabilities in Ollama's words. ``chat`` is part of ``completion`` there.
_CAPABILITIES = {
    "completion": "completion",
    "embeddings": "embedding",
    "fill_in": "insert",
    "vision": "vision",
    "tools": "tools",
    "reasoning": "thinking",
}


def tag(manifest: Manifest, model: Model, names: Collection[str]) -> dict[str, Any]:
    """Return an entry of ``/api/tags``; `names` are those of all models."""
    return {
        **_identity(manifest, names),
        **upstream_of(manifest),
        "modified_at": timestamp(manifest.created),
        "capabilities": capabilities(model),
    }


def process(manifest: Manifest, model: Model, names: Collection[str]) -> dict[str, Any]:
    """Return an entry of ``/api/ps`` for a model that is loaded."""
    return {
        **_identity(manifest, names),
        "size": _or_zero(model.memory_bytes),
        "size_vram": _or_zero(model.gpu_memory_bytes),
        "context_length": _or_zero(model.num_ctx),
        "expires_at": timestamp(expiry(model)),
    }


def expiry(model: Model) -> float:
    """Return the Unix time at which a model is unloaded if it stays idle."""
    return NEVER if model.expires_at is UNSET or model.pinned else model.expires_at


def _identity(manifest: Manifest, names: Collection[str]) -> dict[str, Any]:
    name = listed(manifest.name, names)
    return {
        "name": name,
        "model": name,
        "size": manifest.size_bytes,
        "digest": digest(manifest),
        "details": details(manifest),
    }


def _or_zero(value: int | msgspec.UnsetType) -> int:
    return 0 if value is UNSET else value


def digest(manifest: Manifest) -> str:
    """Return a hash of what a model consists of, the same for all its names.

    Ollama's is that of its own manifest, which has the files and parameters, too.
    """
    files = [(file.name, file.sha256) for file in manifest.files]
    parts = (manifest.format, files, manifest.default_parameters, manifest.upstream)
    known = [part for part in parts if part is not UNSET]
    return hashlib.sha256(msgspec.json.encode(known)).hexdigest()


def details(manifest: Manifest) -> dict[str, Any]:
    """Return the `details` of a model. What is not known is empty, as in Ollama."""
    known = manifest.details
    family = "" if known.family is UNSET else known.family
    count = known.parameter_count
    return {
        "parent_model": "",
        "format": _format(manifest),
        "family": family,
        "families": [family] if family else [],
        "parameter_size": "" if count is UNSET else human_number(count),
        "quantization_level": "" if known.quantization is UNSET else known.quantization,
    }


def _format(manifest: Manifest) -> str:
    match manifest.format:
        case "gguf":
            return "gguf"
        case "remote":
            return ""
        case _:
            return "safetensors"


def upstream_of(manifest: Manifest) -> dict[str, str]:
    """Return the fields that only remote models have."""
    if manifest.upstream is UNSET:
        return {}
    hosts = ", ".join(manifest.upstream.base_urls)
    return {"remote_model": manifest.upstream.model, "remote_host": hosts}


def capabilities(model: Model) -> list[str]:
    """Return the capabilities in Ollama's words; those without a word there are left out.

    As there, ``embedding`` is that of a model that does nothing else: clients take such models out
    of their lists for chats. All others compute embeddings, too.
    """
    known = [name for name in model.capabilities if name in _CAPABILITIES]
    if "completion" in known and "embeddings" in known:
        known.remove("embeddings")
    return [_CAPABILITIES[name] for name in known]


def human_number(number: int) -> str:
    """Return a number of parameters, rounded as Ollama does it: ``"8.0B"``, ``"134.52M"``."""
    for size, unit, digits in ((10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 0)):
        if number >= size:
            return f"{number / size:.{digits if number % size else 0}f}{unit}"
    return str(number)


def timestamp(seconds: float) -> str:
    """Return a Unix time as in RFC 3339. One that it cannot write becomes the nearest it can."""
    seconds = min(max(seconds, 0), NEVER)
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
