"""Health of a server."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from ..contract.types import Device, EngineStatus, ManifestProblem, Memory
from ..display import formatting, output
from ..display.output import Output
from .results import Displayed


class Health(Displayed, msgspec.Struct, frozen=True):
    """State of a server, as returned by ``GET /v1/health``.

    Attributes
    ----------
    status : str
        ``"ok"``.
    version : str
        Version of a3s-power-jupyter in the server.
    uptime_seconds : float
        Seconds since the server started.
    loaded_models : list of str
        Names of the models in memory.
    devices : list of Device
        The CPU and the GPUs of the server's machine, as of the first look.
    engines : dict of str to EngineStatus
        Availability of each engine.
    home : str
        Directory of the model store.
    shared_homes : list of str
        Directories of other stores whose models this server lists and uses.
    hints : list of str
        Suggestions to improve the setup, with commands.
    problems : list of ManifestProblem
        Manifests that cannot be read.
    memory : Memory
        What models and other programs use of the RAM and of each GPU, and what is free.
    """

    status: str
    version: str
    uptime_seconds: float
    loaded_models: list[str]
    devices: list[Device]
    engines: dict[str, EngineStatus]
    home: str = ""
    shared_homes: list[str] = []
    hints: list[str] = []
    problems: list[ManifestProblem] = []
    memory: Memory = Memory(())

    def _short(self) -> str:
        uptime = formatting.duration(self.uptime_seconds)
        loaded = ", ".join(self.loaded_models) or "none"
        return f"<Health: {self.status}, version {self.version}, up for {uptime}, loaded: {loaded}>"

    def shown(self, *before: tuple[str, str]) -> Output:
        """Render all of it, below the facts `before`."""
        uptime = formatting.duration(self.uptime_seconds)
        facts = output.facts(
            (
                *before,
                ("Version", f"{self.version}, up for {uptime}"),
                ("Store", self.home),
                *(("Shared store", home) for home in self.shared_homes),
                ("Loaded", ", ".join(self.loaded_models) or "none"),
                *((f"Device {device.name}", _device(device)) for device in self.devices),
                *((f"Engine {name}", _engine(engine)) for name, engine in self.engines.items()),
            )
        )
        notes = [*self.hints]
        notes += [f"Cannot read {p.file}: {p.reason}" for p in self.problems]
        return output.stack([facts, *map(output.note, notes or ["No problems found."])])

    def _shown(self) -> Output:
        return self.shown()


def _device(device: Device) -> str:
    parts = [] if device.name.lower() == device.kind else [device.kind.upper()]
    if device.description is not UNSET:
        parts.append(device.description)
    if device.memory_total is not UNSET:
        parts.append(f"{formatting.size(device.memory_total)} memory")
    if device.memory_free is not UNSET:
        parts.append(f"{formatting.size(device.memory_free)} free")
    return ", ".join(parts)


def _engine(engine: EngineStatus) -> str:
    if not engine.available:
        return "not available" + ("" if engine.reason is UNSET else f": {engine.reason}")
    parts = ["available" if engine.version is UNSET else f"version {engine.version}"]
    if engine.gpu is not UNSET:
        parts.append("GPU build" if engine.gpu else "CPU-only build")
    if engine.formats:
        parts.append("formats: " + ", ".join(engine.formats))
    return ", ".join(parts)
