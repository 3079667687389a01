"""The ``options`` of Ollama's requests that have an effect.

Source: https://docs.ollama.com/modelfile#valid-parameters-and-values. Options that belong to the
load of a model have no effect here, because no request reloads one: ``num_ctx``, ``num_gpu``,
``num_batch``, ``num_thread`` and the like.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.parameters import (
    LastTokens,
    Mirostat,
    MirostatEta,
    MirostatTau,
    Penalty,
    Probability,
    RepeatPenalty,
    Seed,
    StopString,
    StopStrings,
)
from ..fields import NO_LIMIT, read_stop

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of generation, with Ollama's names.

    Attributes
    ----------
    num_predict : int
        Most tokens of the answer; 0 and negative numbers do not limit it.
    top_k : int
        Number of tokens to sample from; 0 and negative numbers do not limit it.
    """

    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] | UnsetType = UNSET
    top_k: Int32 | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    min_p: Probability | UnsetType = UNSET
    typical_p: Probability | UnsetType = UNSET
    repeat_last_n: LastTokens | UnsetType = UNSET
    repeat_penalty: RepeatPenalty | UnsetType = UNSET
    presence_penalty: Penalty | UnsetType = UNSET
    frequency_penalty: Penalty | UnsetType = UNSET
    mirostat: Mirostat | UnsetType = UNSET
    mirostat_tau: MirostatTau | UnsetType = UNSET
    mirostat_eta: MirostatEta | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    stop: StopString | StopStrings | UnsetType = UNSET
    num_predict: Int32 | UnsetType = UNSET

    def sampling(self) -> dict[str, Any]:
        """Return the options as fields of `Sampling`."""
        values = msgspec.structs.asdict(self)
        limit = values.pop("num_predict")
        values["max_tokens"] = NO_LIMIT if limit is not UNSET and limit <= 0 else limit
        if self.top_k is not UNSET:
            values["top_k"] = max(self.top_k, 0)
        values["stop"] = read_stop(self.stop)
        return values
