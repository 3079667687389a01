"""The counts of tokens in the ``usage`` of upstreams, which are untrusted."""

from __future__ import annotations

from typing import Any, NamedTuple


class UpstreamUsage(NamedTuple):
    """Numbers of tokens. A count that is missing or impossible is 0.

    Attributes
    ----------
    cached_tokens : int
        The part of the prompt that was cached.
    reasoning_tokens : int
        The part of the answer that is thoughts.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int


def read_usage(usage: Any) -> UpstreamUsage:
    """Return the counts in the ``usage`` of a reply or of a chunk, whatever it is."""
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    cached = _count(usage, "prompt_tokens_details", "cached_tokens")
    reasoning = _count(usage, "completion_tokens_details", "reasoning_tokens")
    return UpstreamUsage(prompt, completion, min(cached, prompt), min(reasoning, completion))


def _count(value: Any, *names: str) -> int:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if type(value) is int and 0 <= value < 2**31 else 0
