"""Sampling parameters and constraints of a request."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

ConstraintKind = Literal["json_schema", "regex", "choice", "lark", "gbnf"]


class Constraint(msgspec.Struct, frozen=True):
    """What an answer has to match.

    Attributes
    ----------
    value : dict, bool, str or list of str
        A JSON schema, a regular expression, the possible answers, or a grammar.
    """

    kind: ConstraintKind
    value: Any


class Sampling(msgspec.Struct, frozen=True):
    """Sampling parameters of a request.

    An unset field takes its value from the model's `default_parameters`, or else from the engine.

    Attributes
    ----------
    logprobs : int
        Number of alternatives to return for each token.
    constraint : Constraint
        What the answer has to match.
    return_progress : bool
        Whether to return `Reading` items.
    timings_per_token : bool
        Whether each `Delta` has the timings so far.
    choice : int
        Index among the choices for the same prompt. It is added to the seed, so that they differ.
    """

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    repeat_penalty: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    stop: tuple[str, ...] | UnsetType = UNSET
    logit_bias: dict[int, float] | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    constraint: Constraint | UnsetType = UNSET
    return_progress: bool = False
    timings_per_token: bool = False
    choice: int = 0
