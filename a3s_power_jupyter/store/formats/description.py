"""What is known of a model before it is registered: its files, and what their headers say."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.parameters import DefaultParameters
from ...contract.types import (
    Capability,
    Format,
    Geometry,
    Manifest,
    ModelDetails,
    RegisterRequest,
    Source,
)
from ..files import SourceFile, user_path

#: What ``safetensors`` models are quantized to when they are loaded, unless they say otherwise.
DEFAULT_ISQ = "Q8_0"


@dataclass(frozen=True)
class Description:
    """The result of inspecting a path; fields are those of `types.Manifest`."""

    format: Format
    files: tuple[SourceFile, ...]
    details: ModelDetails
    capabilities: tuple[Capability, ...]
    context_length: int | UnsetType = UNSET
    geometry: Geometry | UnsetType = UNSET

    def manifest(self, request: RegisterRequest, parameters: DefaultParameters) -> Manifest:
        """The manifest of the model that `request` registers, still without its files."""
        if self.format == "safetensors" and parameters.isq is UNSET:
            parameters = msgspec.structs.replace(parameters, isq=DEFAULT_ISQ)
        return Manifest(
            name=request.name,
            format=self.format,
            created=int(time.time()),
            details=self.details,
            capabilities=self.capabilities,
            context_length=self.context_length,
            geometry=self.geometry,
            default_parameters=parameters,
            source=Source() if request.path is None else Source(path=str(user_path(request.path))),
            upstream=UNSET if request.upstream is None else request.upstream,
        )


def positive_int(value: Any) -> int | UnsetType:
    """A positive 32-bit number, or UNSET: headers are written by anybody."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
        return value
    return UNSET
