"""Build the body of a forwarded request: drop local fields and fill in the model's defaults."""

from __future__ import annotations

from typing import Any

import msgspec

from ..contract.parameters import RANDOM_SEED, DefaultParameters
from ..contract.types import Manifest, Route, Upstream

#: Fields that mean nothing to an upstream.
_LOCAL_FIELDS = ("keep_alive",)

#: Sampling parameters, which have the same names in requests and in a model's default parameters.
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "top_n_sigma",
    "xtc_probability",
    "xtc_threshold",
    "dynatemp_range",
    "dynatemp_exponent",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "repeat_last_n",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "max_tokens",
    "seed",
    "stop",
)


def upstream_of(manifest: Manifest) -> Upstream:
    """Return the upstream of a remote model, which registration requires."""
    if not isinstance(manifest.upstream, Upstream):
        raise TypeError(f"{manifest.name} has no upstream")
    return manifest.upstream


def outgoing(manifest: Manifest, route: Route, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body for the upstream, completed with the model's default parameters."""
    sent = {key: value for key, value in body.items() if key not in _LOCAL_FIELDS}
    sent["model"] = upstream_of(manifest).model
    if route in ("embeddings", "rerank"):
        return sent
    defaults = _sampling(manifest.default_parameters)
    if "max_completion_tokens" in body:
        defaults.pop("max_tokens", None)
    for field, value in defaults.items():
        sent.setdefault(field, value)
    if sent.get("seed") == RANDOM_SEED:  # which may be a seed like any other for the upstream
        del sent["seed"]
    return _with_system(manifest.default_parameters, sent)


def for_one_token(content: bytes) -> bytes:
    """Return the content of a request as one for a whole answer of one token."""
    body = msgspec.json.decode(content)
    sent = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return msgspec.json.encode(sent | {limit: 1})


def _sampling(defaults: DefaultParameters) -> dict[str, Any]:
    return {
        field: getattr(defaults, field)
        for field in SAMPLING
        if getattr(defaults, field) is not msgspec.UNSET
    }


def _with_system(defaults: DefaultParameters, sent: dict[str, Any]) -> dict[str, Any]:
    messages = sent.get("messages")
    if defaults.system is msgspec.UNSET or not isinstance(messages, list):
        return sent
    if any(isinstance(m, dict) and m.get("role") in ("system", "developer") for m in messages):
        return sent
    return {**sent, "messages": [{"role": "system", "content": defaults.system}, *messages]}
