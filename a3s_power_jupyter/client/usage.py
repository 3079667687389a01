"""Token counts of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..contract.types import Timings
from .replies import Count, converted


class Usage(msgspec.Struct, frozen=True):
    """Token counts of an answer.

    Attributes
    ----------
    prompt_tokens : int
        Number of tokens in the prompt.
    completion_tokens : int
        Number of generated tokens.
    cached_tokens : int
        Number of prompt tokens that were found in the prefix cache.
    reasoning_tokens : int
        Number of generated tokens that are thoughts.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Usage:
        """Convert OpenAI's ``usage`` object."""
        usage = converted({"usage": wire}, _WithUsage).usage
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        cached = prompt and prompt.cached_tokens
        reasoning = completion and completion.reasoning_tokens
        return cls(usage.prompt_tokens, usage.completion_tokens or 0, cached or 0, reasoning or 0)


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: Count
    completion_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _WithUsage(msgspec.Struct):
    usage: _Usage


def usage_of(timings: Timings | None, thoughts: int = 0) -> Usage | None:
    """Return the counts of an answer that was interrupted after so many tokens of thoughts."""
    if timings is None:
        return None
    prompt = timings.prompt_n + timings.cache_n
    return Usage(prompt, timings.predicted_n, timings.cache_n, thoughts)
