"""Chat templates of models on both engines: where they come from, and what becomes of chats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import transformers

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Sampling,
    TokenizeRequest,
    ToolChoice,
)
from a3s_power_jupyter.contract.types.tokens import unpack_tokens
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.template import options_of
from a3s_power_jupyter.engine.tokens import answer
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support import tiny_gguf
from support.chat_templates import TEMPLATES
from support.engine_runs import load_directory, run, text_of
from support.rendering import assistant, system, user
from support.tiny_models import byte_level, make

#: The turns of Gemma, which has no system messages.
GEMMA = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 is even) %}"
    "{{ raise_exception('Roles have to alternate.') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' "
    "+ m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
BROKEN = "{% for m in messages %}{{ m.content }}"
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
NAMED = {
    "default": "{% for m in messages %}chat {{ m.content }}\n{% endfor %}",
    "tool_use": TEMPLATES["Hermes"].source,
}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}

Engine = LlamaCppEngine | TransformersEngine


def load_gguf(path: Path, **parameters: Any) -> LlamaCppEngine:
    parameters = {"num_ctx": 2048, "num_parallel": 1, **parameters}
    load = Load("gguf", (str(path),), LoadParameters(**parameters))
    return LlamaCppEngine.load(load, lambda _value: None)


def load_tiny(directory: Path, **parameters: Any) -> TransformersEngine:
    parameters = {"num_thread": 1, "isq": "none", **parameters}
    return load_directory(TransformersEngine, directory, **parameters)


def completes(engine: Engine) -> bool:
    """Whether the engine completes a text without the template, with the preferred letter."""
    item: Any = answer(engine, TokenizeRequest("a", add_special=False))
    [letter] = unpack_tokens(item.tokens)
    sampling = Sampling(temperature=0.0, max_tokens=2, logit_bias={letter: 100.0})
    (items,) = run(engine, CompletionRequest("Once upon", sampling))
    return text_of(items) == "aa"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the templates `NAMED`, in chat_template.jinja and in their folder."""
    directory = tmp_path_factory.mktemp("named")
    make(directory, "LlamaConfig", byte_level("gpt-2"), max_position_embeddings=2048)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    tokenizer.chat_template = NAMED
    tokenizer.save_pretrained(directory)
    assert (directory / "additional_chat_templates" / "tool_use.jinja").exists()
    return directory


@pytest.fixture(scope="module", params=["gguf", "files"])
def named(
    request: pytest.FixtureRequest, directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    """An engine with the templates `NAMED`."""
    if request.param == "files":
        return load_tiny(directory)
    path = tmp_path_factory.mktemp("gguf") / "named.gguf"
    return load_gguf(tiny_gguf.gpt2(path, 2048, templates=NAMED))


def prompt(engine: Engine, *messages: dict[str, Any], **fields: Any) -> str:
    """Return the prompt of a chat, which the engine has as tokens."""
    fields.setdefault("sampling", Sampling(temperature=0.0, max_tokens=1))
    request = ChatRequest([*messages], **fields)
    prepared = engine.prepare(1, request)
    template = engine._template
    assert template is not None
    text = template.render(request.messages, options_of(request))
    if isinstance(engine, LlamaCppEngine):
        tokens = engine._tokenize(text)
    else:
        tokens = engine._model.tokenize(text)
    assert list(prepared.generation.prompt) == tokens
    return text


def test_a_chat_with_tools_has_the_template_for_tools(named: Engine) -> None:
    assert prompt(named, user("Hi")) == "chat Hi\n"
    with_tools = prompt(named, user("Hi"), tools=TOOLS)
    assert with_tools.startswith("<|im_start|>system\nTools: [{")
    assert '"name": "add"' in with_tools


def test_the_tool_choice_none_leaves_the_tools_out_unless_there_are_calls(named: Engine) -> None:
    none = {"tools": TOOLS, "tool_choice": ToolChoice("none")}
    assert prompt(named, user("Hi"), **none) == "chat Hi\n"
    calls = [user("Hi"), assistant("", tool_calls=[CALL]), {"role": "tool", "content": "3"}]
    assert '"name": "add"' in prompt(named, *calls, **none)
    assert prompt(named, *calls).startswith("<|im_start|>user\nHi")


def test_a_parameter_replaces_all_templates(directory: Path) -> None:
    engine = load_tiny(directory, chat_template="mine {{ messages[0].content }}")
    assert prompt(engine, user("Hi")) == "mine Hi"
    assert prompt(engine, user("Hi"), tools=TOOLS).startswith("mine You can call functions.")


def test_only_chats_fail_if_the_template_is_not_valid(smollm2_path: Path, directory: Path) -> None:
    engines: list[Engine] = [
        load_gguf(smollm2_path, chat_template=BROKEN),
        load_tiny(directory, chat_template=BROKEN),
    ]
    for engine in engines:
        with pytest.raises(UnsupportedRequestFields, match=r"cannot chat.*end of template"):
            prompt(engine, user("Hi"))
        (note,) = engine.info.notes
        assert "end of template" in note
        assert completes(engine)
    (embedded,) = run(engines[0], EmbeddingRequest(["Hi"]))
    assert embedded[-1].dimensions > 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", b"\xff"),
        ("additional_chat_templates/tool_use.jinja", b"\xff"),
        ("tokenizer_config.json", [{"template": "x"}]),
        ("tokenizer_config.json", ["x"]),
    ],
)
def test_only_chats_fail_if_a_template_cannot_be_read(
    directory: Path, tmp_path: Path, name: str, content: Any
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(directory, copy)
    (copy / "chat_template.jinja").unlink()
    shutil.rmtree(copy / "additional_chat_templates")
    if isinstance(content, list):
        settings = json.loads((copy / name).read_text("utf-8")) | {"chat_template": content}
        content = json.dumps(settings).encode()
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(content)
    engine = load_tiny(copy)
    assert name in engine.info.notes[0]
    with pytest.raises(UnsupportedRequestFields, match=f"cannot be read: .*{name}"):
        prompt(engine, user("Hi"))
    assert completes(engine)
    assert (copy / name).read_bytes() == content


# ---------------------------------------------------------------- SmolLM2


def test_the_last_answer_is_continued(smollm2_path: Path) -> None:
    engine = load_gguf(smollm2_path)
    begun = "The capital of Germany is Berlin, and that of France is"
    chat = [user("Name two capitals."), assistant(begun)]
    text = prompt(engine, *chat, continue_final_message=True)
    assert text.endswith(f"<|im_start|>assistant\n{begun}")
    sampling = Sampling(temperature=0.0, max_tokens=3)
    (items,) = run(engine, ChatRequest(chat, sampling, continue_final_message=True))
    assert text_of(items).startswith(" Paris")
    ended = prompt(engine, *chat, add_generation_prompt=False)
    assert ended.rstrip().endswith(f"{begun}<|im_end|>")
    with pytest.raises(InvalidParameter, match="Only a last message of the assistant"):
        prompt(engine, user("Hi"), continue_final_message=True)


def test_a_model_without_system_messages_says_so(smollm2_path: Path) -> None:
    engine = load_gguf(smollm2_path, chat_template=GEMMA)
    (note,) = engine.info.notes
    assert "no system messages" in note
    text = prompt(engine, system("Be brief."), user("Hi"), user("You?"), assistant("I am"),
                  continue_final_message=True)  # fmt: skip
    assert text == (
        "<start_of_turn>user\nBe brief.\n\nHi\n\nYou?<end_of_turn>\n<start_of_turn>model\nI am"
    )


@pytest.mark.parametrize("name", ["Hermes", "Gemma 3"])
def test_the_engine_knows_the_format_of_its_template(smollm2_path: Path, name: str) -> None:
    engine = load_gguf(smollm2_path, chat_template=TEMPLATES[name].source)
    assert engine._template is not None
    assert engine._template.format == TEMPLATES[name].format
    assert '"add"' in prompt(engine, user("Hi"), tools=TOOLS)
