"""Hardware and engines of the server."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from ..parameters import SparseStruct
from .model_info import Format


class Device(SparseStruct, frozen=True):
    """A CPU or GPU, as the engine's library reports it.

    Attributes
    ----------
    memory_total : int
        Bytes.
    memory_free : int
        Bytes, when the device was queried.
    """

    name: str
    kind: Literal["cpu", "gpu"]
    description: str | UnsetType = UNSET
    memory_total: int | UnsetType = UNSET
    memory_free: int | UnsetType = UNSET


class EngineStatus(SparseStruct, frozen=True):
    """Whether an engine can run on this server.

    Attributes
    ----------
    gpu : bool
        Whether the engine finds a GPU.
    reason : str
        Why the engine is not available.
    hint : str
        Command that installs the engine or a better build of it.
    """

    available: bool
    version: str | UnsetType = UNSET
    formats: tuple[Format, ...] = ()
    gpu: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET
