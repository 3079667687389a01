"""Ollama's names of parameters, as names of `DefaultParameters`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .parameters import NO_LIMIT, check

_Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]

#: The parameters of Ollama's models (``Options`` in api/types.go of Ollama, also of old versions)
#: that `DefaultParameters` can keep.
KEPT = frozenset(
    {
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "use_mlock", "num_thread",
        "seed", "num_predict", "top_k", "top_p", "min_p", "typical_p", "repeat_last_n",
        "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty",
        "mirostat", "mirostat_tau", "mirostat_eta", "stop",
    }
)  # fmt: skip


class _Limits(msgspec.Struct, frozen=True):
    """Options that are numbers of tokens; 0 and negative ones do not limit anything."""

    num_predict: _Int32 | UnsetType = UNSET
    top_k: _Int32 | UnsetType = UNSET


def from_ollama(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters under the names of `DefaultParameters`. The others are not checked.

    Parameters
    ----------
    parameters : dict
        Options with Ollama's names. They are those of `DefaultParameters`, but for
        ``num_predict``. Null is the same as a missing one.

    Raises
    ------
    InvalidParameter
        If ``num_predict`` or ``top_k`` has a wrong type or is out of range.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    limits = {name: given.pop(name) for name in ("num_predict", "top_k") if name in given}
    limited = check(limits, _Limits, at="parameters")
    if limited.num_predict is not UNSET:
        given["max_tokens"] = limited.num_predict if limited.num_predict > 0 else NO_LIMIT
    if limited.top_k is not UNSET:
        given["top_k"] = max(limited.top_k, 0)
    return given
