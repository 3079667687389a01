"""Items of replies."""

from __future__ import annotations

from typing import Any

from a3s_power_jupyter.contract.types import Finished, FinishReason, Timings


def finished(
    reason: FinishReason, prompt: int, completion: int, cached: int = 0, *, ms: float = 10.0
) -> Finished:
    """Return the end of a reply with some timings: `ms` for the prompt, twice that for the rest."""
    timings = Timings(prompt - cached, ms, completion, 2 * ms, cached)
    return Finished(reason, prompt, completion, cached, timings)


def counts(item: Any) -> tuple[FinishReason, int, int, int]:
    """Return the finish reason, and the numbers of prompt, completion and cached tokens."""
    assert isinstance(item, Finished)
    return item.finish_reason, item.prompt_tokens, item.completion_tokens, item.cached_tokens
