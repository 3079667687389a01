"""Calls of tools by a real small model and by a tiny random one, stepped in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import Constraint, ToolChoice
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import finished, load_directory, run, text_of
from support.tiny_models import byte_level, make
from support.tool_calls import NOW, SHOP, TOOLS, WEATHER, ask, check_calls, tool

TEMPLATE = (
    "{% if tools %}Tools: {{ tools | tojson }}\n{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}"
    "{% for c in m.tool_calls or [] %}"
    '<tool_call>\n{"name": "{{ c.function.name }}", "arguments": '
    "{{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
REQUIRED = ToolChoice("required")


@pytest.fixture(scope="module")
def llama(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_parallel=3, num_ctx=2048))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    folder = tmp_path_factory.mktemp("calls")
    directory = make(folder, "LlamaConfig", byte_level("gpt-2"), max_position_embeddings=4096)
    return load_directory(
        TransformersEngine, directory, num_thread=1, isq="none", chat_template=TEMPLATE
    )


@pytest.fixture(params=["llama", "tiny"])
def engine(request: pytest.FixtureRequest) -> Engine[Any]:
    engine: Engine[Any] = request.getfixturevalue(request.param)
    return engine


@pytest.mark.parametrize("offered", [WEATHER, SHOP, NOW])
def test_a_required_call_keeps_the_schema(engine: Engine[Any], offered: dict[str, Any]) -> None:
    requests = [
        ask(choice=REQUIRED, tools=[offered], temperature=1.0, seed=seed) for seed in range(2)
    ]
    for items in run(engine, *requests):
        [(name, _)] = check_calls(items)
        assert name == offered["function"]["name"]
        assert text_of(items) == ""
        assert finished(items).finish_reason == "tool_calls"


def test_a_named_tool_is_called(engine: Engine[Any]) -> None:
    (items,) = run(engine, ask("Hello!", ToolChoice("required", "order")))
    [(name, _)] = check_calls(items)
    assert (name, finished(items).finish_reason) == ("order", "tool_calls")


def test_the_arguments_of_a_call_that_has_begun_keep_the_schema(engine: Engine[Any]) -> None:
    requests = [
        ask(prefill="<tool_call>\n", temperature=1.5, seed=1),
        ask(prefill='I look. <tool_call>{"name": "get_w', temperature=1.5, seed=2),
        ask(prefill='<tool_call>\n{"name": "order", "arguments"', temperature=1.5, seed=3),
    ]
    for items in run(engine, *requests)[:2]:
        [(name, _)] = check_calls(items)
        assert name in [one["function"]["name"] for one in TOOLS]
        assert finished(items).finish_reason == "tool_calls"


def test_a_call_of_an_unknown_tool_is_not_constrained(engine: Engine[Any]) -> None:
    (items,) = run(engine, ask(prefill='<tool_call>\n{"name": "other"', max_tokens=8))
    assert check_calls(items) == []
    assert finished(items).finish_reason in ("length", "stop")


def test_calls_are_cut_by_max_tokens(engine: Engine[Any]) -> None:
    (items,) = run(engine, ask(choice=REQUIRED, tools=[SHOP], max_tokens=8))
    assert finished(items).finish_reason == "length"


def test_without_a_choice_of_tools_the_answer_is_content(engine: Engine[Any]) -> None:
    (items,) = run(engine, ask("Say hi.", ToolChoice("none"), max_tokens=5))
    assert check_calls(items) == []
    assert finished(items).completion_tokens <= 5


def test_a_schema_that_cannot_be_kept_is_refused_where_it_was_asked_for(
    engine: Engine[Any],
) -> None:
    odd = tool("odd", type="object", properties={"a": {"type": "string", "pattern": "(?=a)b"}})
    with pytest.raises(InvalidParameter):
        engine.prepare(1, ask(tools=[odd], choice=REQUIRED))
    strict = {**odd, "function": {**odd["function"], "strict": True}}
    with pytest.raises(InvalidParameter):
        engine.prepare(1, ask(tools=[strict]))
    (items,) = run(engine, ask(tools=[odd], prefill="<tool_call>\n", max_tokens=200))
    assert all(name == "odd" for name, _ in check_calls(items, [tool("odd", type="object")]))


def test_a_call_goes_on_after_its_request_was_set_aside(llama: LlamaCppEngine) -> None:
    """Move the request to host memory after some tokens, and let it come back."""
    llama.submit(llama.prepare(0, ask(choice=REQUIRED, tools=[WEATHER])))
    llama.submit(llama.prepare(1, ask("Order a pen.", REQUIRED, tools=[SHOP])))
    outputs: list[Any] = []
    assert llama._text is not None
    pool, moved = llama._text._pool, 0
    while not llama.idle:
        outputs += llama.step()
        if len(pool.running) > 1 and moved < 3 and pool.running[-1].generation.num_output_tokens:
            moved += pool.set_newest_aside()
    assert moved
    for id_, name in ((0, "get_weather"), (1, "order")):
        [(called, _)] = check_calls([item for at, item in outputs if at == id_])
        assert called == name


THINKING = TEMPLATE.replace(
    "{% for c in",
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{% for c in",
).replace("assistant: {% endif %}", "assistant: <think>\n{% endif %}")
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def thinker(smollm2_path: Path) -> LlamaCppEngine:
    parameters = LoadParameters(num_ctx=2048, chat_template=THINKING)
    return LlamaCppEngine.load(Load("gguf", (str(smollm2_path),), parameters), lambda _value: None)


def test_a_constraint_begins_after_the_thoughts(thinker: LlamaCppEngine) -> None:
    constraint = Constraint("json_schema", SCHEMA)
    thinking, thought = run(
        thinker,
        ask("Is it warm?", tools=[], constraint=constraint, max_tokens=10),
        ask(
            "Is it warm?",
            tools=[],
            constraint=constraint,
            prefill="<think>\nHm.\n</think>\n\nAnswer: ",
        ),
    )
    assert text_of(thinking) == ""
    assert finished(thinking).reasoning_tokens == 10
    assert json.loads(text_of(thought))["answer"] in ("yes", "no")
    assert finished(thought).reasoning_tokens == 0


def test_a_required_call_comes_after_the_thoughts(thinker: LlamaCppEngine) -> None:
    thinking, thought = run(
        thinker,
        ask(choice=REQUIRED, max_tokens=10),
        ask(choice=REQUIRED, prefill="<think>\nI call it.\n</think>\n\nI look. "),
    )
    assert finished(thinking).reasoning_tokens == 10
    assert len(check_calls(thought)) == 1


def test_an_answer_with_tools_and_a_schema_keeps_either(engine: Engine[Any]) -> None:
    requests = [
        ask("Is it warm?", constraint=Constraint("json_schema", SCHEMA), seed=1, temperature=1.0),
        ask(prefill="<tool_call>", tools=[NOW], seed=2, temperature=1.0),
    ]
    for items in run(engine, *requests):
        if not check_calls(items):
            assert json.loads(text_of(items))["answer"] in ("yes", "no")


def test_nothing_is_compiled_after_a_request_was_prepared(
    engine: Engine[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call cannot be constrained, because the prompt has its wrong name."""
    prepared = engine.prepare(0, ask(prefill='<tool_call>\n{"name": "other"', max_tokens=1))
    monkeypatch.setattr("llguidance.LLMatcher", None)
    answer = prepared.generation.answer
    assert answer is not None
    for piece in ("}\n", "</tool_call>", "\n", "<tool_call>"):
        answer.push(piece, b"")
    assert prepared.generation.sampler._matcher is not None


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_call_that_may_not_begin_is_an_error(engine: Engine[Any], temperature: float) -> None:
    """All tokens with which the call can begin are excluded, because they would end the answer."""
    vocab = engine._vocab if isinstance(engine, LlamaCppEngine) else engine._model
    size = vocab.size if isinstance(engine, LlamaCppEngine) else vocab.vocab_size
    ends = tuple(t for t in range(size) if vocab.token_to_piece(t).startswith(b"<"))
    sampling = {"temperature": temperature, "top_n_sigma": 1.0, "seed": 1, "logprobs": 0}
    request = ask(choice=REQUIRED, min_tokens=5, stop_token_ids=ends, **sampling)
    (items,) = run(engine, request)
    assert [type(item) for item in items] == [InvalidParameter]
    assert "can satisfy the constraint" in str(items[0])


@pytest.fixture(scope="module")
def thinking_at_will(smollm2_path: Path) -> LlamaCppEngine:
    template = THINKING.replace("assistant: <think>\n{% endif %}", "assistant: {% endif %}")
    parameters = LoadParameters(num_ctx=256, chat_template=template)
    return LlamaCppEngine.load(Load("gguf", (str(smollm2_path),), parameters), lambda _value: None)


def test_constrained_content_may_have_the_markers_of_thoughts(
    thinking_at_will: LlamaCppEngine,
) -> None:
    constraint = Constraint("choice", ["a </think> b"])
    (items,) = run(thinking_at_will, ask("Is it warm?", tools=[], constraint=constraint))
    assert text_of(items) == "a </think> b"
