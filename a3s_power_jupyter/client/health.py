"""Health of a server."""

from __future__ import annotations

import msgspec

from ..contract.types import Device, EngineStatus, ManifestProblem, Memory


class Health(msgspec.Struct, frozen=True):
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
    hints: list[str] = []
    problems: list[ManifestProblem] = []
    memory: Memory = Memory(())
