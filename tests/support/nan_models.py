"""Tiny models that compute NaN for prompts with one token, and numbers for all others."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

from a3s_power_jupyter.convert.converter import convert
from support.tiny_models import byte_level, make

#: The token that makes the model compute NaN, and its text.
NAN_TOKEN = 60
GOOD_TOKENS = [1, 5, 9, 14, 33]

#: A token that `add_token` adds to a tokenizer, but not to the embedding matrix.
EXTRA = "<|extra|>"


def make_safetensors(directory: Path) -> Path:
    """Write a model whose embedding of `NAN_TOKEN` is NaN."""
    make(directory, "LlamaConfig", byte_level("gpt-2"))
    _add_nan(directory, "model.embed_tokens.weight")
    return directory


def make_encoder(directory: Path) -> Path:
    """Write an embedding model whose embedding of `NAN_TOKEN` is NaN."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_level("gpt-2"), unk_token="<unk>", pad_token="<unk>"
    )
    tokenizer.save_pretrained(directory)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    _add_nan(directory, "embeddings.word_embeddings.weight")
    return directory


def _add_nan(directory: Path, embedding: str) -> None:
    weights = load_file(directory / "model.safetensors")
    weights[embedding][NAN_TOKEN] = torch.nan
    save_file(weights, directory / "model.safetensors", {"format": "pt"})


def make_gguf(folder: Path) -> Path:
    """Write the same model as GGUF. The NaN is added last, since a conversion refuses it."""
    path = folder / "model.gguf"
    convert(make(folder / "llama", "LlamaConfig", byte_level("gpt-2")), path, lambda _value: None)
    reader = gguf.GGUFReader(path, "r+")
    [embedding] = [tensor for tensor in reader.tensors if tensor.name == "token_embd.weight"]
    embedding.data[NAN_TOKEN] = np.nan
    reader.data.flush()
    return path


def add_token(directory: Path) -> None:
    """Fill a tokenizer up to the size of the embedding matrix, and add one more token."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    rows = transformers.AutoConfig.from_pretrained(directory).vocab_size
    tokenizer.add_tokens([f"<|unused{i}|>" for i in range(rows - len(tokenizer))])
    tokenizer.add_tokens([EXTRA], special_tokens=True)
    assert tokenizer.convert_tokens_to_ids(EXTRA) == rows
    tokenizer.save_pretrained(directory)
