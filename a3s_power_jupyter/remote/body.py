"""What is sent to an upstream: the client's body, with our fields taken out and defaults put in."""

from __future__ import annotations

from typing import Any

import msgspec

from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest, Route, Upstream

#: Fields of ours that mean nothing to an upstream.
_OURS = ("keep_alive",)

#: Parameters of a registered model that a request for text may carry.
_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "seed",
    "stop",
)


def upstream_of(manifest: Manifest) -> Upstream:
    """The upstream of a remote model; registration lets none be without."""
    if not isinstance(manifest.upstream, Upstream):
        raise TypeError(f"{manifest.name} has no upstream")
    return manifest.upstream


def outgoing(manifest: Manifest, route: Route, body: dict[str, Any]) -> dict[str, Any]:
    """The body for the upstream; what the client left open is taken from the model's defaults."""
    sent = {key: value for key, value in body.items() if key not in _OURS}
    sent["model"] = upstream_of(manifest).model
    if route == "embeddings":
        return sent
    limited = "max_completion_tokens" in body
    for field, value in _sampling(manifest.default_parameters).items():
        if not (limited and field == "max_tokens"):
            sent.setdefault(field, value)
    return _with_system(manifest.default_parameters, sent)


def _sampling(defaults: DefaultParameters) -> dict[str, Any]:
    return {
        field: getattr(defaults, field)
        for field in _SAMPLING
        if getattr(defaults, field) is not msgspec.UNSET
    }


def _with_system(defaults: DefaultParameters, sent: dict[str, Any]) -> dict[str, Any]:
    messages = sent.get("messages")
    if defaults.system is msgspec.UNSET or not isinstance(messages, list):
        return sent
    if any(isinstance(m, dict) and m.get("role") in ("system", "developer") for m in messages):
        return sent
    return {**sent, "messages": [{"role": "system", "content": defaults.system}, *messages]}
