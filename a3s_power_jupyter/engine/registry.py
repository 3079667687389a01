"""Find the engine for a format, and check that its packages are installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from ..contract.errors import BackendUnavailable
from ..contract.types import Device, EngineStatus, Format
from .base import Engine
from .protocol import Load, Measured, Probed


@dataclass(frozen=True)
class _Entry:
    """The description of an engine, available without importing it.

    Attributes
    ----------
    packages : tuple of str
        Importable packages that it needs.
    classes : dict
        Format -> module and name of the engine class.
    probe : callable
        Returns the devices and the status of the engine. Only a worker process calls it.
    """

    distribution: str
    packages: tuple[str, ...]
    pip_line: str
    classes: dict[Format, tuple[str, str]]
    probe: Callable[[_Entry], tuple[list[Device], EngineStatus]]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


def _probe_llama_cpp(entry: _Entry) -> tuple[list[Device], EngineStatus]:
    from .llamacpp import backend

    devices = backend.list_devices()
    gpu = bool(backend.gpus(devices))
    hint = backend.idle_gpu_hint(gpu)
    return devices, EngineStatus(
        available=True,
        version=_version(entry.distribution),
        formats=tuple(entry.classes),
        gpu=gpu,
        hint=hint if hint is not None else msgspec.UNSET,
    )


def _probe_transformers(entry: _Entry) -> tuple[list[Device], EngineStatus]:
    """Return no devices: importing torch takes seconds, and llama.cpp lists them already."""
    return [], EngineStatus(
        available=True, version=_version(entry.distribution), formats=tuple(entry.classes)
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


#: Add a new engine here. The format `remote` has no engine.
_ENGINES = {
    "llama.cpp": _Entry(
        distribution="llama-cpp-python",
        packages=("llama_cpp",),
        pip_line="pip install llama-cpp-python",
        classes={"gguf": (".llamacpp", "LlamaCppEngine")},
        probe=_probe_llama_cpp,
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
        probe=_probe_transformers,
    ),
}


def engine_name(format_: Format) -> str:
    """Return the name of the engine for a format.

    Raises
    ------
    BackendUnavailable
        If no engine runs this format.
    """
    for name, entry in _ENGINES.items():
        if format_ in entry.classes:
            return name
    supported = sorted(format_ for entry in _ENGINES.values() for format_ in entry.classes)
    raise BackendUnavailable(
        f"No engine can run models of format {format_!r} (supported: {', '.join(supported)}). The "
        "model stays registered."
    )


def require_engine(format_: Format) -> None:
    """Check that the engine for a format is installed, without importing it.

    Raises
    ------
    BackendUnavailable
        If no engine runs this format, or packages are missing. The message has the pip command.
    """
    entry = _ENGINES[engine_name(format_)]
    if entry.missing:
        raise BackendUnavailable(
            f"Models of format {format_!r} need packages that are missing from the notebook "
            f"server's environment: {', '.join(entry.missing)}. Install with: {entry.pip_line}"
        )


def engine_class(format_: Format) -> type[Engine[Any]]:
    """Import the engine for a format. Only a worker process calls this."""
    require_engine(format_)
    module, class_name = _ENGINES[engine_name(format_)].classes[format_]
    engine: type[Engine[Any]] = getattr(importlib.import_module(module, __package__), class_name)
    return engine


def probe() -> Probed:
    """List the engines and devices of this machine. Only a worker process calls this."""
    devices: list[Device] = []
    engines: dict[str, EngineStatus] = {}
    for name, entry in _ENGINES.items():
        if entry.missing:
            reason = f"missing packages: {', '.join(entry.missing)}. Install with: {entry.pip_line}"
            engines[name] = _unavailable(entry, reason)
            continue
        try:
            engine_devices, engines[name] = entry.probe(entry)
        except BackendUnavailable as error:
            engines[name] = _unavailable(entry, error.message)
            continue
        devices = devices or engine_devices
    return Probed(engines=engines, devices=devices)


def measure(load: Load) -> Measured:
    """Compute what a GGUF model would take. Only a worker process calls this.

    Raises
    ------
    BackendUnavailable
        If llama.cpp is not installed.
    PowerError
        If llama.cpp cannot read the model's header.
    """
    require_engine(load.format)
    from .llamacpp import usage

    return usage.measure(load)


def _unavailable(entry: _Entry, reason: str) -> EngineStatus:
    return EngineStatus(available=False, formats=tuple(entry.classes), reason=reason)
