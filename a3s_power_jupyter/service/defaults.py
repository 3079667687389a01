"""A model's `default_parameters`, put under what a request or a load asks for."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from ..contract.parameters import DefaultParameters, LoadParameters
from ..contract.types import ChatRequest, CompletionRequest, Sampling

_LOAD_FIELDS = LoadParameters.__struct_fields__
_SAMPLING_FIELDS = tuple(
    field for field in Sampling.__struct_fields__ if field in DefaultParameters.__struct_fields__
)


def load_parameters(defaults: DefaultParameters, asked: LoadParameters | None) -> LoadParameters:
    """How to load: what was asked for, else what the model was registered with."""
    asked = asked or LoadParameters()
    values = {}
    for field in _LOAD_FIELDS:
        value = getattr(asked, field)
        values[field] = getattr(defaults, field) if value is UNSET else value
    return LoadParameters(**values)


def with_defaults(
    request: ChatRequest | CompletionRequest, defaults: DefaultParameters
) -> ChatRequest | CompletionRequest:
    """The request with every parameter it left open taken from the model's defaults, and the
    model's system prompt in front of a chat that has none."""
    sampling = _sampling(request.sampling, defaults)
    if isinstance(request, CompletionRequest):
        return msgspec.structs.replace(request, sampling=sampling)
    messages = request.messages
    if defaults.system is not UNSET and all(m.get("role") != "system" for m in messages):
        messages = [{"role": "system", "content": defaults.system}, *messages]
    return msgspec.structs.replace(request, sampling=sampling, messages=messages)


def _sampling(asked: Sampling, defaults: DefaultParameters) -> Sampling:
    given = {
        field: _as_sampling(field, getattr(defaults, field))
        for field in _SAMPLING_FIELDS
        if getattr(asked, field) is UNSET and getattr(defaults, field) is not UNSET
    }
    return msgspec.structs.replace(asked, **given)


def _as_sampling(field: str, value: object) -> object:
    if field == "stop":
        return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]
    return value
