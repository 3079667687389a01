"""Devices and engines of the server's machine."""

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
        Bytes, at the time of the query.
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
        Whether the engine can use a GPU.
    reason : str
        Why the engine is not available.
    hint : str
        Command that installs the engine, or a build of it for the GPU.
    """

    available: bool
    version: str | UnsetType = UNSET
    formats: tuple[Format, ...] = ()
    gpu: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET
