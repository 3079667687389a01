"""Describe a model before its registration, from the headers of its files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.parameters import DefaultParameters
from ...contract.types import (
    Capability,
    Format,
    Manifest,
    ModelDetails,
    RegisterRequest,
    Source,
)
from ..files import SourceFile, user_path
from .chat_templates import capabilities_of
from .generation import GenerationSettings

#: Default quantization on load for `safetensors` models.
DEFAULT_ISQ = "Q8_0"


@dataclass(frozen=True)
class Description:
    """Description of the model at a path, with fields of `Manifest`."""

    format: Format
    files: tuple[SourceFile, ...]
    details: ModelDetails
    capabilities: tuple[Capability, ...]
    context_length: int | UnsetType = UNSET
    generation: GenerationSettings = field(default_factory=GenerationSettings)

    def manifest(self, request: RegisterRequest, parameters: DefaultParameters) -> Manifest:
        """Return the manifest for a request to register the model, still without files."""
        if self.format == "safetensors" and parameters.isq is UNSET:
            parameters = msgspec.structs.replace(parameters, isq=DEFAULT_ISQ)
        upstream = request.upstream
        has_several = upstream is not None and not isinstance(upstream.base_url, str)
        return Manifest(
            name=request.name,
            format=self.format,
            created=int(time.time()),
            details=self.details,
            capabilities=with_template(self.capabilities, parameters),
            context_length=self.context_length,
            default_parameters=parameters,
            source=Source() if request.path is None else Source(path=str(user_path(request.path))),
            upstream=UNSET if upstream is None else upstream,
            schema=2 if has_several else 1,
            generation_defaults=self.generation.defaults,
            unsupported_settings=self.generation.unsupported,
        )


def with_template(
    capabilities: tuple[Capability, ...], parameters: DefaultParameters
) -> tuple[Capability, ...]:
    """Return the capabilities of a model with the chat template of `parameters`, if it has one."""
    if parameters.chat_template is UNSET or "completion" not in capabilities:
        return capabilities
    others = {*capabilities} - {"tools", "reasoning"}
    return in_order(others | capabilities_of([parameters.chat_template]))


def with_templates(
    format_: Format, capabilities: tuple[Capability, ...], templates: Iterable[str]
) -> tuple[Capability, ...]:
    """Return the capabilities of a model with the chat templates in its files."""
    if "completion" not in capabilities:
        return capabilities
    others = {*capabilities} - {"tools", "reasoning"}
    if format_ != "vision":  # these chat in any case
        others -= {"chat"}
    return in_order(others | capabilities_of(templates))


def in_order(capabilities: Set[Capability]) -> tuple[Capability, ...]:
    """Return capabilities in the order of their documentation."""
    return tuple(name for name in get_args(Capability) if name in capabilities)


def positive_int(value: Any) -> int | UnsetType:
    """Return `value` if it is a positive 32-bit integer, else UNSET."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
        return value
    return UNSET
