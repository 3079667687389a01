"""The files of a pull in its status, where they are more than one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from ..contract.types import PulledFile
from .resolve.plan import Plan

Files = tuple[PulledFile, ...] | UnsetType


def planned(plan: Plan) -> Files:
    if len(plan.files) == 1:
        return UNSET
    return tuple(PulledFile(file.path, file.size) for file in plan.files)


def so_far(files: Files, completed: Sequence[int]) -> Files:
    """`files` with so many bytes here of each."""
    if files is UNSET:
        return UNSET
    pairs = zip(files, completed, strict=True)
    return tuple(msgspec.structs.replace(file, completed=count) for file, count in pairs)


def whole(files: Files) -> Files:
    return UNSET if files is UNSET else so_far(files, [file.size for file in files])
