"""Models in the form of Anthropic's API."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import types
from pydantic import TypeAdapter

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Format, Model, ModelDetails, Source
from a3s_power_jupyter.handlers.anthropic.models import model_info, model_page


def model(name: str = "m", format_: Format = "gguf", **more: Any) -> Model:
    fields: dict[str, Any] = {
        "created": 1_700_000_000,
        "size_bytes": 1,
        "size": 1,
        "state": "unloaded",
        "loaded": False,
        "parameters": ModelDetails(),
        "default_parameters": DefaultParameters(),
        "capabilities": (),
        "source": Source(),
        "pinned": False,
    }
    return Model(id=name, format=format_, **(fields | more))


def test_a_model() -> None:
    assert model_info(model("org/m:Q4", num_ctx=2048)) == {
        "type": "model",
        "id": "org/m:Q4",
        "display_name": "org/m:Q4",
        "created_at": "2023-11-14T22:13:20+00:00",
        "lifecycle": "active",
        "max_input_tokens": 2048,
        "max_tokens": 2048,
    }


def test_the_context_is_that_of_the_next_load() -> None:
    assert model_info(model(context_length=131_072))["max_input_tokens"] == 8192
    few = DefaultParameters(num_ctx=512)
    assert model_info(model(context_length=4096, default_parameters=few))["max_tokens"] == 512
    assert model_info(model(format_="remote"))["max_input_tokens"] is None


def test_the_anthropic_package_reads_a_model() -> None:
    for given in (model(num_ctx=2048), model(format_="remote")):
        info = TypeAdapter(types.ModelInfo).validate_python(model_info(given))
        assert (info.id, info.lifecycle) == ("m", "active")
        assert not info.model_extra


MODELS = [model(name) for name in "abcde"]


@pytest.mark.parametrize(
    ("arguments", "names", "more"),
    [
        ({}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"limit": "2", "after_id": "d"}, "e", False),
        ({"after_id": "e"}, "", False),
        ({"limit": "2", "before_id": "e"}, "cd", True),
        ({"limit": "1000", "before_id": "c"}, "ab", False),
    ],
)
def test_pages(arguments: dict[str, str], names: str, more: bool) -> None:
    page = model_page(MODELS, **arguments)
    assert "".join(info["id"] for info in page["data"]) == names
    assert page["has_more"] == more
    assert (page["first_id"], page["last_id"]) == ((names[0], names[-1]) if names else (None, None))


@pytest.mark.parametrize(
    "arguments",
    [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"after_id": "x"}, {"before_id": "x"}],
)
def test_an_argument_that_is_not_valid(arguments: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        model_page(MODELS, **arguments)
    assert [caught.value.param] == list(arguments)
