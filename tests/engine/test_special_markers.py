"""Calls and thoughts of which the markers are special tokens, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Sampling, ToolChoice
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import finished, load_directory, run, text_of
from support.tiny_models import byte_level, make
from support.tool_calls import NOW, WEATHER, ask, check_calls

MARKERS = ["[TOOL_CALLS]", "[ARGS]", "[THINK]", "[/THINK]", "[OTHER]"]
TEMPLATE = (
    "{% if tools %}Tools: {{ tools | tojson }}\n{% endif %}"
    "{% for m in messages %}{{ m.role }}: "
    "{% if m.reasoning_content %}[THINK]{{ m.reasoning_content }}[/THINK]{% endif %}"
    "{{ m.content }}"
    "{% for c in m.tool_calls or [] %}"
    "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}"
    "\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = byte_level("gpt-2")
    tokenizer.add_special_tokens(MARKERS)
    folder = tmp_path_factory.mktemp("markers") / "model"
    return make(folder, "LlamaConfig", tokenizer, max_position_embeddings=4096)


@pytest.fixture(scope="module")
def transformers(directory: Path) -> TransformersEngine:
    return load_directory(
        TransformersEngine, directory, num_thread=1, isq="none", chat_template=TEMPLATE
    )


@pytest.fixture(scope="module")
def llamacpp(directory: Path) -> LlamaCppEngine:
    file = directory.parent / "model.gguf"
    convert(directory, file, lambda _value: None)
    load = Load("gguf", (str(file),), LoadParameters(num_ctx=4096, chat_template=TEMPLATE))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture(params=["transformers", "llamacpp"])
def engine(request: pytest.FixtureRequest) -> Engine[Any]:
    engine: Engine[Any] = request.getfixturevalue(request.param)
    return engine


def token_ids(directory: Path) -> dict[str, int]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    return {text: tokenizer.convert_tokens_to_ids(text) for text in MARKERS}


def test_a_required_call_has_the_special_tokens(engine: Engine[Any]) -> None:
    required = ToolChoice("required")
    requests = [ask(choice=required, tools=[WEATHER, NOW], temperature=1.0, seed=s) for s in (1, 2)]
    for items in run(engine, *requests):
        assert len(check_calls(items)) == 1
        assert (text_of(items), finished(items).finish_reason) == ("", "tool_calls")


def test_a_call_that_the_model_begins_is_constrained(engine: Engine[Any], directory: Path) -> None:
    """Make the model begin with the marker of calls by a bias."""
    bias = {token_ids(directory)["[TOOL_CALLS]"]: 100.0}
    (items,) = run(engine, ask(tools=[WEATHER], temperature=1.0, seed=3, logit_bias=bias))
    [(name, _)] = check_calls(items)
    assert (name, text_of(items)) == ("get_weather", "")
    assert finished(items).finish_reason == "tool_calls"


def test_thoughts_begin_with_a_special_token(engine: Engine[Any], directory: Path) -> None:
    bias = {token_ids(directory)["[THINK]"]: 100.0}
    (items,) = run(engine, ask(tools=[], logit_bias=bias, max_tokens=5))
    assert finished(items).reasoning_tokens == 5
    assert text_of(items) == ""


def test_other_special_tokens_have_no_text(engine: Engine[Any], directory: Path) -> None:
    bias = {token_ids(directory)["[OTHER]"]: 100.0}
    (items,) = run(engine, ask(tools=[NOW], logit_bias=bias, max_tokens=5))
    assert text_of(items) == ""
    chat = ChatRequest([{"role": "user", "content": "Hi"}], Sampling(logit_bias=bias, max_tokens=5))
    assert text_of(run(engine, chat)[0]) == ""
