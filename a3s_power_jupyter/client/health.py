"""What a server says of itself."""

from __future__ import annotations

import msgspec

from ..contract.types import Device, EngineStatus, ManifestProblem


class Health(msgspec.Struct, frozen=True):
    """The reply of ``GET /v1/health``.

    `hints` are sentences that say what would make it better, with the command; `problems` are
    the manifests that cannot be read.
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
