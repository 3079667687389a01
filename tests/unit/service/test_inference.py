"""Default parameters of a model in requests for text."""

from __future__ import annotations

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
