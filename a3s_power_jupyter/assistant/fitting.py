"""Shorten what is sent until it fits into the context of a model, as the server counts it.

``labextension/src/lab/code/fitting.ts`` does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

#: Tokens that an answer needs in any case.
LEAST_ANSWER = 128

#: Characters of a token, about.
PER_TOKEN = 3

_TRIES = 5


class Draft(NamedTuple):
    """Messages, and a sentence about what was left out of them; empty for nothing."""

    messages: list[dict[str, str]]
    cut: str


class Count(NamedTuple):
    """Tokens of a request, and of the model's context; 0 if it is not known."""

    used: int
    context: int


class TooLongError(ValueError):
    """The code alone does not fit. The message is for the user."""


def fit(
    compose: Callable[[int], Draft],
    characters: int,
    answer: int,
    count: Callable[[list[dict[str, str]]], Count],
) -> Draft:
    """Return a draft that leaves room for an answer of `answer` tokens.

    Parameters
    ----------
    compose : callable
        Returns a draft with at most so many characters besides the code, which is whole.

    Raises
    ------
    TooLongError
        If the code alone does not fit.
    """
    needed = max(LEAST_ANSWER, answer)
    for tried in range(1, _TRIES + 2):
        draft = compose(characters)
        used, context = count(draft.messages)
        excess = used + needed - context if context else 0
        if excess <= 0:
            return draft
        if characters == 0:
            break
        left = int((characters - excess * PER_TOKEN) * 0.9)
        characters = 0 if tried == _TRIES else max(0, left)
    raise TooLongError(
        f"The question has {used} tokens and its answer needs about {needed}, but the context of "
        f"the model has {context}. Load it with a larger context (%power load --num-ctx N), or "
        "divide the cell."
    )


def middle_out(text: str, characters: int) -> str:
    """Return the first and last lines of a text, in about so many characters."""
    if len(text) <= characters:
        return text
    head, tail = text[: characters // 2], text[len(text) - characters // 2 :]
    head = head[: head.rfind("\n")] if "\n" in head else head
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail else tail
    return f"{head}\n[... left out ...]\n{tail}" if characters > 0 else ""
