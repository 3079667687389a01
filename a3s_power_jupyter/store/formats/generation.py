"""Read the sampling defaults of a model's authors, from `generation_config.json` or a GGUF header.

The settings are those of transformers' ``GenerationConfig`` and llama.cpp's ``general.sampling``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.errors import InvalidGGUF, InvalidModelDirectory, InvalidParameter, PowerError
from ...contract.parameters import DefaultParameters, check
from .json_file import read_optional_object

FILE = "generation_config.json"

#: Setting of `generation_config.json` -> parameter of requests.
_TRANSFORMERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repetition_penalty": "repeat_penalty",
    "max_new_tokens": "max_tokens",
    "stop_strings": "stop",
}

#: Settings that would change the text, and that requests here do not have.
_TRANSFORMERS_UNSUPPORTED = (
    "num_beams", "penalty_alpha", "epsilon_cutoff", "eta_cutoff", "top_h",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "encoder_repetition_penalty",
    "bad_words_ids", "force_words_ids", "suppress_tokens", "begin_suppress_tokens",
    "sequence_bias", "forced_bos_token_id", "forced_eos_token_id", "guidance_scale",
    "exponential_decay_length_penalty", "min_length", "min_new_tokens",
)  # fmt: skip

#: The same for the keys of a GGUF header, without their prefix.
_LLAMA_CPP = {
    "temp": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "penalty_repeat": "repeat_penalty",
    "penalty_last_n": "repeat_last_n",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
_LLAMA_CPP_PREFIX = "general.sampling."
_LLAMA_CPP_UNSUPPORTED = ("sequence",)

#: Values that switch a setting off.
_NEUTRAL: tuple[Any, ...] = (None, 0, 1, "", [], {})


@dataclass(frozen=True)
class GenerationSettings:
    """The settings of a model's files for generation.

    Attributes
    ----------
    defaults : DefaultParameters
        Only parameters of requests are set.
    unsupported : tuple of str
        Settings that have no effect here.
    """

    defaults: DefaultParameters = field(default_factory=DefaultParameters)
    unsupported: tuple[str, ...] = ()


def read_generation_config(directory: Path) -> GenerationSettings:
    """Read `generation_config.json`, which may be missing.

    With ``do_sample: false``, the model's temperature is 0 and its other sampling settings do not
    apply, as in transformers.

    Raises
    ------
    InvalidModelDirectory
        If the file is damaged, or a value has another type or is out of range.
    """
    config = read_optional_object(directory / FILE)
    values = _renamed(config, _TRANSFORMERS)
    if config.get("do_sample") is False:
        for name in ("top_p", "top_k", "min_p", "typical_p"):
            values.pop(name, None)
        values["temperature"] = 0.0
    if "repeat_penalty" in values:
        values["repeat_last_n"] = -1  # transformers looks at all tokens
    unsupported = [name for name in _TRANSFORMERS_UNSUPPORTED if config.get(name) not in _NEUTRAL]
    return _checked(values, unsupported, str(directory / FILE), InvalidModelDirectory)


def read_gguf_sampling(path: Path, metadata: Mapping[str, Any]) -> GenerationSettings:
    """Read the keys ``general.sampling.*`` of a GGUF header.

    Raises
    ------
    InvalidGGUF
        If a value has another type or is out of range.
    """
    config = {
        key.removeprefix(_LLAMA_CPP_PREFIX): _shortest(value)
        for key, value in metadata.items()
        if key.startswith(_LLAMA_CPP_PREFIX)
    }
    values = _renamed(config, _LLAMA_CPP)
    if isinstance(values.get("temperature"), float) and values["temperature"] < 0:
        values["temperature"] = 0.0  # both mean the most likely token
    unsupported = [
        _LLAMA_CPP_PREFIX + name
        for name in _LLAMA_CPP_UNSUPPORTED
        if config.get(name) not in _NEUTRAL
    ]
    return _checked(values, unsupported, str(path), InvalidGGUF)


def _shortest(value: Any) -> Any:
    """Return the shortest decimal number of a 32-bit float: 0.7, not 0.699999988079071."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _renamed(config: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    values = {new: config[old] for old, new in names.items() if config.get(old) is not None}
    for name in ("top_k", "max_tokens"):
        number = values.get(name)
        if isinstance(number, float) and number.is_integer():
            values[name] = int(number)
    top_k = values.get("top_k")
    if isinstance(top_k, int) and top_k < 0:
        values["top_k"] = 0  # both mean no limit
    return values


def _checked(
    values: dict[str, Any], unsupported: list[str], where: str, error_type: type[PowerError]
) -> GenerationSettings:
    try:
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidParameter(f"{name} is {value}.")
        return GenerationSettings(check(values, DefaultParameters), tuple(unsupported))
    except InvalidParameter as error:
        raise error_type(
            f"The sampling defaults in {where} cannot be used: {error.message} Correct or remove "
            "them.",
            param="path",
        ) from None
