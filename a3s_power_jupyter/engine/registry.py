"""Which engine serves which format, and whether it can run here."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import msgspec

from ..contract.errors import BackendUnavailable
from ..contract.types import Device, EngineStatus, Format
from .base import Engine
from .protocol import Probed


@dataclass(frozen=True)
class _Entry:
    """`packages` are those to import, `classes` the class for a format: module and name."""

    distribution: str
    packages: tuple[str, ...]
    pip_line: str
    classes: dict[Format, tuple[str, str]]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


#: Where an engine is added. Formats that are no engine's are served otherwise (`remote`).
_ENGINES = {
    "llama.cpp": _Entry(
        distribution="llama-cpp-python",
        packages=("llama_cpp",),
        pip_line="pip install llama-cpp-python",
        classes={"gguf": (".llamacpp", "LlamaCppEngine")},
    ),
    "transformers": _Entry(
        distribution="transformers",
        packages=("accelerate", "gguf", "torch", "transformers"),
        pip_line="pip install 'a3s-power-jupyter[transformers]'",
        classes={
            "safetensors": (".transformers", "TransformersEngine"),
            "vision": (".transformers.vision", "VisionEngine"),
            "huggingface": (".embeddings", "EmbeddingEngine"),
        },
    ),
}


def engine_name(format_: Format) -> str:
    """The engine for a format.

    Raises
    ------
    BackendUnavailable
        There is none.
    """
    for name, entry in _ENGINES.items():
        if format_ in entry.classes:
            return name
    served = sorted(format_ for entry in _ENGINES.values() for format_ in entry.classes)
    raise BackendUnavailable(
        f"This version cannot run models of format {format_!r} yet (it runs: "
        f"{', '.join(served)}). The model stays registered."
    )


def require_engine(format_: Format) -> None:
    """Check, without importing it, that there is an engine for a format.

    Raises
    ------
    BackendUnavailable
        Names what is missing and the pip line that adds it.
    """
    entry = _ENGINES[engine_name(format_)]
    if entry.missing:
        raise BackendUnavailable(
            f"Models of format {format_!r} need {', '.join(entry.missing)}, not installed beside "
            f"the notebook server. Install with: {entry.pip_line}"
        )


def engine_class(format_: Format) -> type[Engine]:
    """Import the engine for a format; only a worker process calls this."""
    require_engine(format_)
    module, class_name = _ENGINES[engine_name(format_)].classes[format_]
    found: type[Engine] = getattr(importlib.import_module(module, __package__), class_name)
    return found


def probe() -> Probed:
    """Ask the engines' own libraries for their devices; only a worker process calls this."""
    devices: list[Device] = []
    engines: dict[str, EngineStatus] = {}
    for name, entry in _ENGINES.items():
        if entry.missing:
            engines[name] = EngineStatus(
                available=False,
                formats=tuple(entry.classes),
                reason=f"{', '.join(entry.missing)} missing: {entry.pip_line}",
            )
            continue
        found, status = _PROBES[name](entry)
        engines[name] = status
        devices = devices or found
    return Probed(engines=engines, devices=devices)


def _probe_llama_cpp(entry: _Entry) -> tuple[list[Device], EngineStatus]:
    from .llamacpp import devices as llamacpp_devices

    devices = llamacpp_devices.list_devices()
    gpu = any(device.kind == "gpu" for device in devices)
    hint = llamacpp_devices.idle_gpu_hint(gpu)
    return devices, EngineStatus(
        available=True,
        version=_version(entry.distribution),
        formats=tuple(entry.classes),
        gpu=gpu,
        hint=hint if hint is not None else msgspec.UNSET,
    )


def _probe_transformers(entry: _Entry) -> tuple[list[Device], EngineStatus]:
    """torch is not imported for this: that takes seconds, and llama.cpp has named the devices."""
    return [], EngineStatus(
        available=True, version=_version(entry.distribution), formats=tuple(entry.classes)
    )


_PROBES: dict[str, Callable[[_Entry], tuple[list[Device], EngineStatus]]] = {
    "llama.cpp": _probe_llama_cpp,
    "transformers": _probe_transformers,
}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
