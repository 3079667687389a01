"""Requests to pull a model, and the status of pulls."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..parameters import SparseStruct


class PullRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/models/pull``.

    Attributes
    ----------
    name : str
        Reference to a model on the hub (`hub.resolve.reference`).
    token : str
        Hub token; whitespace around it is removed. It is never stored, logged or sent back.
    force : bool
        Whether to verify and update a model that is already present.
    revision : str
        Branch, tag or commit.
    background : bool
        Whether to reply with the status at once, instead of streaming events.
    """

    name: str
    token: Annotated[str, Meta(max_length=4096)] | None = None
    force: bool = False
    revision: str | None = None
    background: bool = False

    def __repr__(self) -> str:
        return f"PullRequest(name={self.name!r})"  # without the token


class PulledFile(msgspec.Struct, frozen=True):
    """One file of a pull, with its size and the number of bytes on disk."""

    name: str
    size: int
    completed: int = 0


class PullStatus(SparseStruct, frozen=True):
    """The status of a pull, running or not.

    Attributes
    ----------
    started_at : float
        Unix time.
    completed : int
        Bytes on disk.
    total : int
        Bytes of all files.
    phase : str
        Current step while `status` is ``pulling``.
    bytes_per_second : float
        Transfer rate; 0 after seconds without a byte, and unset before the first byte.
    eta_seconds : float
        Time left at that rate.
    note : str
        A sentence about the chosen files, or about what the pull is waiting for.
    error : dict
        Reason of the failure, as returned by `PowerError.to_wire`.
    finished_at : float
        Unix time.
    files : tuple of PulledFile
        Progress of each file; set if the model has more than one.
    resumed_from : int
        Bytes that were on disk when the download started.
    revision : str
        Commit of the reference, once it is resolved.
    created : int
        Unix time of the registration, once the pull is done.
    already_exists : bool
        True in the reply to a request for a model that was there, so that nothing was pulled.
    """

    name: str
    status: Literal["pulling", "done", "failed", "paused", "cancelled"]
    started_at: float
    completed: int = 0
    total: int | UnsetType = UNSET
    phase: Literal["waiting", "resolving", "downloading", "verifying"] | UnsetType = UNSET
    bytes_per_second: float | UnsetType = UNSET
    eta_seconds: float | UnsetType = UNSET
    note: str | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET
    finished_at: float | UnsetType = UNSET
    files: tuple[PulledFile, ...] | UnsetType = UNSET
    resumed_from: int | UnsetType = UNSET
    revision: str | UnsetType = UNSET
    created: int | UnsetType = UNSET
    already_exists: bool | UnsetType = UNSET

    def ended(
        self,
        status: Literal["done", "failed", "paused", "cancelled"],
        *,
        error: dict[str, Any] | UnsetType = UNSET,
        created: int | UnsetType = UNSET,
    ) -> PullStatus:
        """Return the final status, without the fields that only a running pull has."""
        return msgspec.structs.replace(
            self,
            status=status,
            phase=UNSET,
            bytes_per_second=UNSET,
            eta_seconds=UNSET,
            note=UNSET if self.phase == "waiting" else self.note,
            error=error,
            created=created,
            finished_at=UNSET if status == "paused" else time.time(),
        )
