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
    field : str
        The field of the request that has the constraint, for error messages.
    """

    kind: ConstraintKind
    value: Any
    field: str = "response_format"


class Sampling(msgspec.Struct, frozen=True):
    """Sampling parameters of a request.

    An unset field takes its value from the model's `default_parameters`, or else from the engine.

    Attributes
    ----------
    repeat_last_n, dry_penalty_last_n : int
        Number of tokens that the penalties and DRY look at; -1 for all.
    min_tokens : int
        Number of tokens before which no token may end the answer.
    ignore_eos : bool
        Whether no token may end the answer at all.
    stop_token_ids : tuple of int
        Tokens that end the answer, besides those of the model.
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
    typical_p: float | UnsetType = UNSET
    top_n_sigma: float | UnsetType = UNSET
    xtc_probability: float | UnsetType = UNSET
    xtc_threshold: float | UnsetType = UNSET
    dynatemp_range: float | UnsetType = UNSET
    dynatemp_exponent: float | UnsetType = UNSET
    mirostat: int | UnsetType = UNSET
    mirostat_tau: float | UnsetType = UNSET
    mirostat_eta: float | UnsetType = UNSET
    repeat_penalty: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    repeat_last_n: int | UnsetType = UNSET
    dry_multiplier: float | UnsetType = UNSET
    dry_base: float | UnsetType = UNSET
    dry_allowed_length: int | UnsetType = UNSET
    dry_penalty_last_n: int | UnsetType = UNSET
    dry_sequence_breakers: tuple[str, ...] | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    min_tokens: int = 0
    ignore_eos: bool = False
    stop: tuple[str, ...] | UnsetType = UNSET
    stop_token_ids: tuple[int, ...] = ()
    logit_bias: dict[int, float] | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    constraint: Constraint | UnsetType = UNSET
    return_progress: bool = False
    timings_per_token: bool = False
    choice: int = 0
