"""Read prompts and texts to embed, and what to do with those that are too long."""

from __future__ import annotations

from typing import Any

from ..contract.errors import InvalidParameter
from ..contract.parameters import MAX_INPUTS
from ..contract.text import quoted
from ..contract.types import Truncate
from .fields import wrong_value


def read_texts(value: Any, param: str) -> list[str | list[int]]:
    """Read one text, one list of token ids, or a list of either.

    Raises
    ------
    InvalidParameter
        If `value` is something else, empty, or has more than `MAX_INPUTS` items.
    """
    if _is_text(value):
        return [_text(value)]
    if isinstance(value, list) and len(value) > MAX_INPUTS:
        raise InvalidParameter(
            f"{param!r} has more than {MAX_INPUTS:,} items, or is not a list of token ids. Send "
            "several requests.",
            param=param,
        )
    if isinstance(value, list) and value and all(_is_text(item) for item in value):
        return [_text(item) for item in value]
    raise wrong_value(param, "a string or a list of token ids, or a list of these", value)


def _is_text(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and value != [] and all(_is_token(token) for token in value)


def _is_token(token: Any) -> bool:
    whole = type(token) is int or (isinstance(token, float) and token.is_integer())
    return whole and 0 <= token < 2**31


def _text(value: Any) -> str | list[int]:
    return value if isinstance(value, str) else [int(token) for token in value]


def read_truncate(value: bool | str, param: str = "truncate") -> Truncate:
    """Read ``truncate``: a boolean, as for Ollama and Jina, or a word, as for Cohere.

    Raises
    ------
    InvalidParameter
        If it is another word.
    """
    words: dict[Any, Truncate] = {False: "none", True: "end"}
    words |= {"none": "none", "start": "start", "end": "end"}
    found = words.get(value.lower() if isinstance(value, str) else value)
    if found is None:
        raise InvalidParameter(
            f"{param} must be true, false, 'end', 'start' or 'none', not {quoted(value)}.",
            param=param,
        )
    return found
