"""Resolve the sampling parameters of a request, with llama.cpp's defaults, for both engines.

The samplers and their order are those of llama.cpp's server (common/sampling.cpp): penalties, DRY,
top_n_sigma, top_k, typical_p, top_p, min_p, XTC, temperature. Mirostat replaces all of them but the
temperature.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from msgspec import UNSET

from ..contract.errors import InvalidParameter
from ..contract.types import Sampling

#: Temperature below which the most likely token is taken. It would be with any that small, but
#: llama.cpp divides by the temperature in 32 bits, which overflows.
GREEDY_BELOW = 1e-6

#: Lowest temperature of a range of dynamic temperatures, for the same reason.
LOWEST_DYNAMIC = 1e-5

#: Number of most likely tokens from which Mirostat 1 estimates a distribution, as in llama.cpp.
MIROSTAT_TOKENS = 100


@dataclass(frozen=True)
class SamplerSettings:
    """What the samplers of a request do. Defaults are those of llama.cpp (common/common.h).

    Attributes
    ----------
    repeat_last_n, dry_penalty_last_n : int
        Number of tokens before the next one that penalties and DRY look at, in the prompt and the
        answer.
    """

    temperature: float = 0.8
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repeat_last_n: int = 64
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1

    @classmethod
    def of(cls, sampling: Sampling, num_ctx: int) -> SamplerSettings:
        """Return the settings of a request for a model with a context of `num_ctx` tokens.

        Raises
        ------
        InvalidParameter
            If parameters contradict each other.
        """
        _check(sampling)
        given = {field.name: getattr(sampling, field.name) for field in fields(cls)}
        given = {name: value for name, value in given.items() if value is not UNSET}
        for name in ("repeat_last_n", "dry_penalty_last_n"):
            if name in given:
                length = given[name]
                given[name] = num_ctx if length < 0 else min(length, num_ctx)
        return cls(**given)

    @property
    def greedy(self) -> bool:
        """Whether the most likely of the remaining tokens is taken."""
        return self.temperature < GREEDY_BELOW and not self.dynamic_temperature

    @property
    def dynamic_temperature(self) -> bool:
        return self.dynatemp_range > 0 and not self.mirostat

    @property
    def temperatures(self) -> tuple[float, float]:
        """The lowest and the highest dynamic temperature."""
        lowest = max(LOWEST_DYNAMIC, self.temperature - self.dynatemp_range)
        return lowest, self.temperature + self.dynatemp_range

    @property
    def penalizes(self) -> bool:
        """Whether tokens that have occurred become less likely."""
        changes = self.repeat_penalty != 1.0 or self.frequency_penalty or self.presence_penalty
        return bool(changes) and self.repeat_last_n > 0 and not self.mirostat

    @property
    def dry(self) -> bool:
        """Whether tokens that would continue a repetition become less likely."""
        return self.dry_multiplier > 0 and self.dry_penalty_last_n > 0 and not self.mirostat

    @property
    def xtc(self) -> bool:
        """Whether the most likely tokens may be left out."""
        return self.xtc_probability > 0 and self.xtc_threshold <= 0.5

    @property
    def may_drop_the_best(self) -> bool:
        """Whether the most likely token may be left out, even with a temperature of 0."""
        return not self.mirostat and (self.typical_p < 1.0 or self.xtc)

    @property
    def num_best(self) -> int | None:
        """Number of the most likely tokens that the samplers need; None if they need all.

        Before these are found, penalties and DRY may make the tokens of the `history` less likely.
        """
        rewards = self.penalizes and (
            self.repeat_penalty < 1 or self.frequency_penalty < 0 or self.presence_penalty < 0
        )
        if rewards or self.mirostat or self.top_n_sigma > 0:
            return None
        if self.greedy and not self.may_drop_the_best:
            return 1
        return self.top_k if self.top_k > 0 else None

    @property
    def history(self) -> int:
        """Number of tokens of the prompt that the samplers need."""
        lengths = [self.repeat_last_n if self.penalizes else 0]
        return max([*lengths, self.dry_penalty_last_n if self.dry else 0])


def _check(sampling: Sampling) -> None:
    """Refuse parameters that contradict each other."""
    name = "ignore_eos" if sampling.ignore_eos else "min_tokens" if sampling.min_tokens else None
    if name is not None and sampling.constraint is not UNSET:
        raise InvalidParameter(
            f"{name!r} cannot be combined with a required format, which says where the answer "
            "ends. Omit one of them.",
            param=name,
        )
    if sampling.max_tokens is not UNSET and sampling.min_tokens > sampling.max_tokens:
        raise InvalidParameter(
            f"min_tokens ({sampling.min_tokens}) is larger than the maximum length of the answer "
            f"({sampling.max_tokens}).",
            param="min_tokens",
        )
