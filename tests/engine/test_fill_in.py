"""Test prompts for fill-in-the-middle, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.fill_in import FILL_IN_NAMES, FillInNames
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from a3s_power_jupyter.handlers.openai.requests import read_completion
from support import tiny_gguf
from support.engine_runs import finished, load_directory, run
from support.tiny_models import byte_level, make, spm_bpe

#: Tokens before the first text, the second text and the answer.
NAMES = [names for names in FILL_IN_NAMES if names.middle is not None]
CODESTRAL = FillInNames("[PREFIX]", "[SUFFIX]", None)


def llama_cpp(path: Path, names: tuple[str, ...], **options: Any) -> LlamaCppEngine:
    tiny_gguf.gpt2(path, 128, special=names, **options)
    return LlamaCppEngine.load(Load("gguf", (str(path),), LoadParameters()), lambda _value: None)


def transformers_engine(directory: Path, names: tuple[str, ...]) -> TransformersEngine:
    tokenizer = byte_level("gpt-2")
    tokenizer.add_special_tokens(list(names))
    return load_directory(
        TransformersEngine, make(directory, "LlamaConfig", tokenizer), isq="none", num_thread=1
    )


def prompt_of(engine: Any, request: CompletionRequest) -> list[int]:
    return list(engine.prepare(1, request).generation.prompt)


@pytest.mark.parametrize("names", NAMES)
def test_the_prompt_has_both_texts_on_llama_cpp(tmp_path: Path, names: FillInNames) -> None:
    engine = llama_cpp(tmp_path / "m.gguf", names)
    x, y = (engine._vocab.tokenize(text, add_special=False) for text in "xy")
    expected = [258, *x, 259, *y, 260]
    assert prompt_of(engine, CompletionRequest("x", suffix="y")) == expected
    assert prompt_of(engine, CompletionRequest(x, suffix="y")) == expected


def test_the_prompt_begins_as_any_other_on_llama_cpp(tmp_path: Path) -> None:
    engine = llama_cpp(tmp_path / "m.gguf", NAMES[0], adds_special=True)
    prompt = prompt_of(engine, CompletionRequest("", suffix="y"))
    assert prompt == [257, 258, 259, *engine._vocab.tokenize("y", add_special=False), 260]


def test_special_tokens_in_the_texts_are_only_text_on_llama_cpp(tmp_path: Path) -> None:
    engine = llama_cpp(tmp_path / "m.gguf", NAMES[0])
    prompt = prompt_of(engine, CompletionRequest("<|fim_middle|>", suffix="<|endoftext|>"))
    assert [token for token in prompt if token >= 257] == [258, 259, 260]


def test_codestral_reads_the_second_text_first(tmp_path: Path) -> None:
    engine = llama_cpp(tmp_path / "m.gguf", ("[PREFIX]", "[SUFFIX]"))
    x, y = (engine._vocab.tokenize(text, add_special=False) for text in "xy")
    assert prompt_of(engine, CompletionRequest("x", suffix="y")) == [259, *y, 258, *x]
    other = transformers_engine(tmp_path / "m", ("[PREFIX]", "[SUFFIX]"))
    x, y = (other._model.plain_tokens(text) for text in "xy")
    first, second = other._model.tokenizer.convert_tokens_to_ids(["[PREFIX]", "[SUFFIX]"])
    assert prompt_of(other, CompletionRequest("x", suffix="y")) == [second, *y, first, *x]


def test_the_text_after_the_answer_gets_no_space_in_front(tmp_path: Path) -> None:
    # As Code Llama and Codestral are trained: "<PRE> before <SUF>after <MID>".
    tokenizer = spm_bpe(prefix=True)
    tokenizer.add_special_tokens(["\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"])
    directory = make(tmp_path / "m", "LlamaConfig", tokenizer)
    convert(directory, tmp_path / "m.gguf", lambda _value: None)
    load = Load("gguf", (str(tmp_path / "m.gguf"),), LoadParameters())
    llama = LlamaCppEngine.load(load, lambda _value: None)
    other = load_directory(TransformersEngine, directory, isq="none", num_thread=1)
    request = CompletionRequest("b", suffix="a b")
    assert prompt_of(llama, request) == prompt_of(other, request)
    text = "".join(map(tokenizer.id_to_token, prompt_of(llama, request)))
    assert text.endswith("\u2581<PRE>\u2581b\u2581<SUF>a\u2581b\u2581<MID>")


@pytest.mark.parametrize("names", NAMES)
def test_the_prompt_has_both_texts_on_transformers(tmp_path: Path, names: FillInNames) -> None:
    engine = transformers_engine(tmp_path / "m", names)
    model = engine._model
    x, y = (model.plain_tokens(text) for text in "xy")
    first, second, third = model.tokenizer.convert_tokens_to_ids(list(names))
    request = CompletionRequest("x", Sampling(temperature=0.0, max_tokens=3), suffix="y")
    assert prompt_of(engine, request) == [first, *x, second, *y, third]
    assert finished(run(engine, request)[0]).completion_tokens > 0


def test_a_model_without_the_tokens_says_so(tmp_path: Path, smollm2_path: Path) -> None:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_ctx=256))
    engines: list[Any] = [
        LlamaCppEngine.load(load, lambda _value: None),
        llama_cpp(tmp_path / "m.gguf", NAMES[0][:2]),
        transformers_engine(tmp_path / "m", ()),
    ]
    for engine in engines:
        with pytest.raises(UnsupportedRequestFields, match="suffix"):
            engine.prepare(1, CompletionRequest("x", suffix="y"))


def test_long_texts_around_the_answer_are_refused(tmp_path: Path) -> None:
    engine = llama_cpp(tmp_path / "m.gguf", NAMES[0])
    for request in (
        CompletionRequest("x" * 200, suffix="y"),
        CompletionRequest("x", suffix="y" * 200),
        CompletionRequest("x" * 65, suffix="y" * 65),
    ):
        with pytest.raises(ContextLengthExceeded):
            engine.prepare(1, request)


def test_the_field_reaches_the_engine() -> None:
    body = {"model": "m", "prompt": "x", "suffix": "y"}
    assert read_completion(body).requests[0] == CompletionRequest("x", suffix="y")
    with pytest.raises(InvalidParameter, match="echo"):
        read_completion({**body, "echo": True})
    assert read_completion({**body, "echo": True, "suffix": None}).requests
