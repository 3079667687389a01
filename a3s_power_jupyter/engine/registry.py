"""Which engine serves which format, and whether it can run here."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version

import msgspec

from ..errors import BackendUnavailable
from ..types import Device, EngineStatus, Format
from .base import Engine

#: Engine name -> (formats, module, class, importable package, pip line).
_ENGINES: dict[str, tuple[tuple[Format, ...], str, str, str, str]] = {
    "llama.cpp": (
        ("gguf",),
        "a3s_power_jupyter.engine.llamacpp",
        "LlamaCppEngine",
        "llama_cpp",
        "pip install llama-cpp-python",
    ),
}


class Probe(msgspec.Struct, frozen=True):
    """What a worker found out about this machine, without loading a model."""

    engines: dict[str, EngineStatus]
    devices: list[Device]


def require_engine(format_: Format) -> None:
    """Check, without importing it, that there is an engine for a format.

    Raises
    ------
    BackendUnavailable
        Names what is missing and the pip line that adds it.
    """
    for formats, _module, _class, package, pip_line in _ENGINES.values():
        if format_ in formats:
            if importlib.util.find_spec(package) is None:
                raise BackendUnavailable(
                    f"Models of format {format_!r} need the package {package!r}, which is not "
                    f"installed beside the notebook server. Install it with: {pip_line}"
                )
            return
    served = sorted({f for formats, *_ in _ENGINES.values() for f in formats})
    raise BackendUnavailable(
        f"This version cannot run models of format {format_!r} yet (it runs: "
        f"{', '.join(served)}). The model stays registered."
    )


def engine_class(format_: Format) -> type[Engine]:
    """Import the engine for a format; only a worker process calls this."""
    require_engine(format_)
    for formats, module, class_name, *_ in _ENGINES.values():
        if format_ in formats:
            found: type[Engine] = getattr(importlib.import_module(module), class_name)
            return found
    raise AssertionError("require_engine lets no other format through")


def probe() -> Probe:
    """Ask the engines' own libraries for their devices; only a worker process calls this."""
    devices: list[Device] = []
    engines: dict[str, EngineStatus] = {}
    for name, (formats, _module, _class, package, pip_line) in _ENGINES.items():
        if importlib.util.find_spec(package) is None:
            engines[name] = EngineStatus(
                available=False, formats=formats, reason=f"{package} is missing", hint=pip_line
            )
            continue
        from .llamacpp import devices as llamacpp_devices

        devices = llamacpp_devices.list_devices()
        gpu = any(device.kind == "gpu" for device in devices)
        hint = llamacpp_devices.idle_gpu_hint(gpu)
        engines[name] = EngineStatus(
            available=True,
            version=_version("llama-cpp-python"),
            formats=formats,
            gpu=gpu,
            hint=hint if hint is not None else msgspec.UNSET,
        )
    return Probe(engines=engines, devices=devices)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
