"""Compare the logits of converted models with transformers, on a tiny model of each family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import sentencepiece
import torch
import transformers

from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.convert.exceptions import CannotConvert
from a3s_power_jupyter.convert.verification import verify_logits, verify_tokens
from a3s_power_jupyter.engine.llamacpp.backend import install_log
from support import tiny_models
from support.tiny_models import LLAMA3, QWEN2, byte_level, make, spm_bpe

LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
YARN = {
    "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
LONG = {
    "rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 256,
    "short_factor": [1.0 + 0.05 * i for i in range(8)],
    "long_factor": [2.0 + 0.3 * i for i in range(8)],
}  # fmt: skip
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
}
GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16}

CASES: dict[str, tuple[str, Callable[[], Any], dict[str, Any]]] = {
    "llama": ("LlamaConfig", lambda: byte_level("smollm"), {}),
    "llama-tied": ("LlamaConfig", lambda: byte_level("gpt-2"), {"tie_word_embeddings": True}),
    "llama-biases": (
        "LlamaConfig",
        lambda: byte_level(LLAMA3),
        {"attention_bias": True, "num_key_value_heads": 4},
    ),
    "llama-mlp-biases": ("LlamaConfig", lambda: byte_level(LLAMA3), {"mlp_bias": True}),
    "llama-3-rope": ("LlamaConfig", lambda: byte_level(LLAMA3), {"rope_parameters": LLAMA3_ROPE}),
    "llama-linear": ("LlamaConfig", lambda: byte_level(LLAMA3), {"rope_parameters": LINEAR}),
    "llama-yarn": ("LlamaConfig", lambda: byte_level(LLAMA3), {"rope_parameters": YARN}),
    "llama-2-tokenizer": ("LlamaConfig", lambda: spm_bpe(prefix=True), {"head_dim": 32}),
    "llama-sharded": ("LlamaConfig", lambda: byte_level("gpt-2"), {"shard": "100KB"}),
    "mistral": ("MistralConfig", lambda: spm_bpe(prefix=True), {"sliding_window": None}),
    "qwen2": ("Qwen2Config", lambda: byte_level(QWEN2), {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", lambda: byte_level(QWEN2), {"head_dim": 32}),
    "smollm3": (
        "SmolLM3Config",
        lambda: byte_level(LLAMA3),
        {"num_hidden_layers": 5, "tie_word_embeddings": True},
    ),
    "gemma2": ("Gemma2Config", lambda: spm_bpe(prefix=False), GEMMA),
    "gemma3": (
        "Gemma3TextConfig",
        lambda: spm_bpe(prefix=False),
        {**GEMMA, "num_hidden_layers": 7, "rope_parameters": GEMMA3_ROPE},
    ),
    "phi3": ("Phi3Config", lambda: spm_bpe(prefix=True), {"sliding_window": None}),
    "phi3-long": (
        "Phi3Config",
        lambda: spm_bpe(prefix=True),
        {
            "sliding_window": None,
            "rope_parameters": LONG,
            "max_position_embeddings": 1024,
            "original_max_position_embeddings": 256,
        },
    ),
}


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    install_log()


def converted(directory: Path, tmp_path: Path) -> Path:
    target = tmp_path / "model.gguf"
    reported: list[float] = []
    convert(directory, target, reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    return target


@pytest.mark.parametrize("case", CASES)
def test_logits_match_transformers(case: str, tmp_path: Path) -> None:
    """The prompt is longer than the sliding window of 16 tokens that some families have."""
    config, tokenizer, settings = CASES[case]
    directory = make(tmp_path / "model", config, tokenizer(), **settings)
    model = converted(directory, tmp_path)
    verify_tokens(directory, model)
    verify_logits(model, 1)
    tokens = [1, *(int(t) for t in np.random.default_rng(3).integers(3, 390, 47))]
    expected, actual = (
        tiny_models.logits(directory, tokens),
        tiny_models.llama_logits(model, tokens),
    )
    assert np.abs(expected).max() > 1
    assert np.abs(actual - expected).max() < 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_matrices_keep_their_type(dtype: torch.dtype, tmp_path: Path) -> None:
    directory = make(tmp_path / "model", "LlamaConfig", byte_level("gpt-2"), dtype=dtype)
    model = converted(directory, tmp_path)
    types = {t.name: t.tensor_type.name for t in gguf.GGUFReader(model).tensors}
    assert types["blk.0.attn_q.weight"] == ("BF16" if dtype == torch.bfloat16 else "F16")
    assert types["blk.0.attn_norm.weight"] == "F32"
    tokens = [1, 5, 9, 300, 20]
    expected, actual = (
        tiny_models.logits(directory, tokens),
        tiny_models.llama_logits(model, tokens),
    )
    cosine = (expected * actual).sum() / np.linalg.norm(expected) / np.linalg.norm(actual)
    assert cosine > 0.999


def test_the_template_and_special_tokens_are_kept(tmp_path: Path) -> None:
    directory = make(tmp_path / "model", "LlamaConfig", byte_level("gpt-2"))
    fields = gguf.GGUFReader(converted(directory, tmp_path)).fields
    assert fields["tokenizer.chat_template"].contents() == tiny_models.TEMPLATE
    assert fields["tokenizer.ggml.bos_token_id"].contents() == 1
    assert fields["tokenizer.ggml.eos_token_id"].contents() == 2


@pytest.mark.parametrize("as_files", [True, False])
def test_all_chat_templates_are_kept(tmp_path: Path, as_files: bool) -> None:
    directory = make(tmp_path / "model", "LlamaConfig", byte_level("gpt-2"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    tokenizer.chat_template = {"default": "chat", "tool_use": "tools"}
    (directory / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(directory, save_jinja_files=as_files)
    assert (directory / "additional_chat_templates").exists() is as_files
    fields = gguf.GGUFReader(converted(directory, tmp_path)).fields
    assert fields["tokenizer.chat_template"].contents() == "chat"
    assert fields["tokenizer.chat_template.tool_use"].contents() == "tools"


@pytest.mark.parametrize(("config", "arch"), [("MistralConfig", "llama"), ("Phi3Config", "phi3")])
def test_an_unsupported_sliding_window_limits_the_context(
    config: str, arch: str, tmp_path: Path
) -> None:
    directory = make(tmp_path / "model", config, spm_bpe(prefix=True), sliding_window=64)
    fields = gguf.GGUFReader(converted(directory, tmp_path)).fields
    assert fields[f"{arch}.context_length"].contents() == 64


def test_an_older_tokenizer_without_tokenizer_json(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("\n".join(tiny_models.TEXT))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(tmp_path / "tokenizer"),
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    directory = make(tmp_path / "model", "LlamaConfig", spm_bpe(prefix=True), vocab_size=420)
    (directory / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.model").rename(directory / "tokenizer.model")
    model = converted(directory, tmp_path)
    verify_tokens(directory, model)
    fields = gguf.GGUFReader(model).fields
    assert fields["tokenizer.ggml.add_bos_token"].contents() is True


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "family": ("GPTNeoXConfig", {}, "the family 'gpt_neox'"),
    "activation": ("LlamaConfig", {"hidden_act": "relu"}, "hidden_act is 'relu'"),
    "bias": ("Qwen3Config", {"attention_bias": True}, "attention_bias is True"),
    "rope": (
        "LlamaConfig",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
        "rotary embedding 'dynamic'",
    ),
    "scale": ("Gemma2Config", {**GEMMA, "query_pre_attn_scalar": 99}, "query_pre_attn_scalar"),
    "words": ("LlamaConfig", {"words": r"\w+|\s+|[^\w\s]+"}, "does not support its pre-tokenizer"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_unsupported_models_are_refused(case: str, tmp_path: Path) -> None:
    config, settings, reason = REFUSALS[case]
    words = settings.pop("words", "gpt-2")
    directory = make(tmp_path / "model", config, byte_level(words), **settings)
    with pytest.raises(CannotConvert, match=reason):
        convert(directory, tmp_path / "model.gguf", lambda _value: None)


def test_a_tokenizer_that_splits_differently_fails_verification(tmp_path: Path) -> None:
    directory = make(tmp_path / "model", "LlamaConfig", byte_level("gpt-2"))
    model = converted(directory, tmp_path)
    path = directory / "tokenizer.json"
    path.write_text(path.read_text().replace('"add_prefix_space":false', '"add_prefix_space":true'))
    text = path.read_text()
    path.write_text(text.replace('"add_prefix_space": false', '"add_prefix_space": true'))
    with pytest.raises(CannotConvert, match="into different tokens"):
        verify_tokens(directory, model)
