"""Describe what a model is doing: its requests, its speed and its cache.

`labextension/src/views/activity.ts` has the same functions for the browser. Both are tested with
the cases in `tests/support/activity_display_cases.json`.
"""

from __future__ import annotations

from msgspec import UNSET

from ..contract.types import Model
from . import formatting


def state(model: Model) -> str:
    """Return the state, with requests and progress: ``2 running, 1 waiting``, ``loading 42%``."""
    requests = _requests(model)
    name: str = model.state
    if name == "busy" and requests:
        return requests
    if name != "loading":
        return name
    if model.phase is not UNSET:
        name = model.phase
    percent = "" if model.progress is UNSET else f" {model.progress:.0%}"
    return ", ".join(filter(None, (name + percent, requests)))


def _requests(model: Model) -> str:
    counts = ((model.requests_running, "running"), (model.requests_waiting, "waiting"))
    return ", ".join(f"{count} {name}" for count, name in counts if count)


def speed(model: Model) -> str:
    """Return the speed of a busy model: ``45 tokens/s``."""
    if model.state != "busy" or model.tokens_per_second is UNSET:
        return ""
    return formatting.rate(model.tokens_per_second)


def cache(model: Model) -> str:
    """Return the part of its cache that a busy model uses: ``1.7k of 8.2k``."""
    use = _use_of_cache(model)
    if model.state != "busy" or use is None:
        return ""
    return " of ".join(map(formatting.tokens, use))


def cache_share(model: Model) -> float | None:
    """Return the part of its cache that a busy model uses, from 0 to 1; None if unknown."""
    use = _use_of_cache(model)
    if model.state != "busy" or use is None:
        return None
    used, capacity = use
    return min(1.0, used / capacity)


def cache_details(model: Model) -> str:
    """Return the exact use of the cache, as far as known: ``1,712 of 8,192 tokens in use``."""
    if model.cache_tokens is UNSET:
        return ""
    capacity = f" of {model.cache_capacity:,}" if model.cache_capacity else ""
    return f"{model.cache_tokens:,}{capacity} tokens in use"


def _use_of_cache(model: Model) -> tuple[int, int] | None:
    used, capacity = model.cache_tokens, model.cache_capacity
    if used is UNSET or capacity is UNSET or capacity == 0:
        return None
    return used, capacity


def warm(model: Model) -> str:
    """Return the memory of the conversations that are kept outside the cache."""
    if not model.prompt_cache_bytes:
        return ""
    return f"{formatting.size(model.prompt_cache_bytes)} for warm conversations"
