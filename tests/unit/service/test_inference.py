"""Default parameters of a model in requests for text."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest, Sampling
from a3s_power_jupyter.service.inference import with_defaults

USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}


def test_unset_sampling_fields_take_the_defaults() -> None:
    request = CompletionRequest("x", Sampling(temperature=0.0))
    defaults = DefaultParameters(temperature=0.5, top_k=7, num_ctx=512, stop="END")
    assert with_defaults(request, defaults).sampling == Sampling(
        temperature=0.0, top_k=7, stop=("END",)
    )
    several = with_defaults(request, DefaultParameters(stop=["a", "b"]))
    assert several.sampling.stop == ("a", "b")


def test_the_system_prompt_is_added_to_a_chat_without_one() -> None:
    defaults = DefaultParameters(system="Be brief.")
    assert with_defaults(ChatRequest([USER]), defaults) == ChatRequest([SYSTEM, USER])
    own = ChatRequest([{"role": "system", "content": "Be verbose."}, USER])
    assert with_defaults(own, defaults) == own


@pytest.mark.parametrize(
    ("given", "default", "seeds"),
    [
        (5, UNSET, [5, 6, 7]),
        (UNSET, 5, [5, 6, 7]),
        (7, 5, [7, 8, 9]),
        (UNSET, UNSET, [UNSET] * 3),
        (-1, UNSET, [UNSET] * 3),
        (-1, 5, [UNSET] * 3),
        (UNSET, -1, [UNSET] * 3),
        (5, -1, [5, 6, 7]),
        (-3, UNSET, [-3, -2, -1]),  # -1 means random only as it is given
    ],
)
def test_choices_have_different_seeds_unless_they_are_random(
    given: Any, default: Any, seeds: list[Any]
) -> None:
    requests = [CompletionRequest("x", Sampling(seed=given, choice=i)) for i in range(3)]
    defaults = DefaultParameters(seed=default)
    assert [with_defaults(request, defaults).sampling.seed for request in requests] == seeds
