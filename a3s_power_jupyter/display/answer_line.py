"""Describe the tokens and the speed of an answer in one line, and the progress in a prompt.

`labextension/src/views/answerLine.ts` has the same functions for the browser. Both are tested with
the cases in `tests/support/answer_display_cases.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.types import Reading
from . import formatting
from .markup import escape


@dataclass(frozen=True)
class Statistics:
    """What is known about an answer.

    Attributes
    ----------
    seconds : float or None
        Duration of the request. It is shown if the engine's speed is not known.
    first_token_seconds : float or None
        Seconds from the request to the first token.
    tokens_per_second : float or None
        Speed of the engine; None if the answer has a single token.
    """

    tokens: int
    prompt_tokens: int
    cached_tokens: int
    tokens_per_second: float | None = None
    first_token_seconds: float | None = None
    seconds: float | None = None


def text(answer: Statistics) -> str:
    """Return what is known, separated by middle dots.

    ``96 tokens · 45 tokens/s · 0.2 s to first token · 1,712 of 1,750 prompt tokens cached``
    """
    return " · ".join(_parts(answer))


def _parts(answer: Statistics) -> Iterator[str]:
    tokens = _count(answer.tokens, "token")
    if answer.seconds is not None:
        tokens += f" in {formatting.seconds(answer.seconds)}"
    yield tokens
    if answer.tokens_per_second is not None:
        yield formatting.rate(answer.tokens_per_second)
    if answer.first_token_seconds is not None:
        yield f"{formatting.seconds(answer.first_token_seconds)} to first token"
    prompt = _count(answer.prompt_tokens, "prompt token")
    yield f"{answer.cached_tokens:,} of {prompt} cached" if answer.cached_tokens else prompt


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def markup(line: str) -> str:
    """Return HTML for a line under an answer, small and muted in light and dark themes."""
    return f'<p><small style="opacity: 0.7">{escape(line)}</small></p>\n' if line else ""


def interrupted(seconds: float | None, first_token_seconds: float | None) -> str:
    """Describe an answer that was interrupted, of which the tokens are not known.

    ``interrupted after 12 s · 0.2 s to first token``; empty if `seconds` is None.
    """
    if seconds is None:
        return ""
    line = f"interrupted after {formatting.seconds(seconds)}"
    if first_token_seconds is None:
        return line
    return f"{line} · {formatting.seconds(first_token_seconds)} to first token"


def reading(progress: Reading) -> str:
    """Describe how many tokens of a prompt the model has read."""
    return f"Reading the prompt: {progress.processed:,} of {progress.total:,} tokens"
