"""Read the fields of samplers, and refuse values out of range."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import DefaultParameters, check_default_parameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.handlers.openai.requests import read_chat, read_completion
from a3s_power_jupyter.service.inference import with_defaults

GIVEN: dict[str, Any] = {
    "typical_p": 0.5,
    "top_n_sigma": 2.0,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.2,
    "dynatemp_range": 0.5,
    "dynatemp_exponent": 2.0,
    "mirostat": 2,
    "mirostat_tau": 4.0,
    "mirostat_eta": 0.2,
    "repeat_last_n": -1,
    "dry_multiplier": 0.8,
    "dry_base": 1.5,
    "dry_allowed_length": 3,
    "dry_penalty_last_n": 100,
}


def read(**fields: Any) -> Sampling:
    call = read_completion({"model": "m", "prompt": "a", **fields})
    return call.requests[0].sampling


def test_every_field_reaches_the_engine() -> None:
    ends = {"min_tokens": 3, "ignore_eos": True}
    sampling = read(**GIVEN, **ends, stop_token_ids=[1, 2], dry_sequence_breakers=["\n", "x"])
    assert sampling == Sampling(
        **GIVEN, **ends, stop_token_ids=(1, 2), dry_sequence_breakers=("\n", "x")
    )


def test_a_model_has_defaults_for_samplers() -> None:
    defaults = check_default_parameters({**GIVEN, "dry_sequence_breakers": ["\n"]})
    request = CompletionRequest("a", Sampling(mirostat=1))
    sampling = with_defaults(request, defaults).sampling
    assert sampling == Sampling(**GIVEN | {"mirostat": 1}, dry_sequence_breakers=("\n",))
    assert defaults == DefaultParameters(**GIVEN, dry_sequence_breakers=["\n"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("typical_p", 1.1),
        ("top_n_sigma", -2),
        ("xtc_probability", 2),
        ("xtc_threshold", -0.1),
        ("dynatemp_range", -1),
        ("dynatemp_exponent", 1000),
        ("mirostat", 3),
        ("mirostat_tau", -1),
        ("mirostat_eta", 11),
        ("repeat_last_n", -2),
        ("dry_multiplier", -1),
        ("dry_base", 0.5),
        ("dry_allowed_length", -1),
        ("dry_penalty_last_n", -2),
        ("dry_sequence_breakers", [""]),
        ("dry_sequence_breakers", ["x"] * 17),
        ("dry_sequence_breakers", ["x" * 21]),
        ("min_tokens", -1),
        ("stop_token_ids", [-1]),
        ("stop_token_ids", [1] * 65),
        ("ignore_eos", "yes"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(**{name: value})
    assert caught.value.param is not None
    assert caught.value.param.startswith(name)


def test_only_a_completion_may_have_no_tokens() -> None:
    assert read(max_tokens=0, echo=True, logprobs=1).max_tokens == 0
    with pytest.raises(InvalidParameter, match="max_tokens"):
        read_chat({"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 0})
