"""Tiny models that compute NaN for prompts with one token, and numbers for all others."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from a3s_power_jupyter.convert.converter import convert
from support.tiny_models import byte_level, make

#: The token that makes the model compute NaN, and its text.
NAN_TOKEN = 60
GOOD_TOKENS = [1, 5, 9, 14, 33]


def make_safetensors(directory: Path) -> Path:
    """Write a model whose embedding of `NAN_TOKEN` is NaN."""
    make(directory, "LlamaConfig", byte_level("gpt-2"))
    weights = load_file(directory / "model.safetensors")
    weights["model.embed_tokens.weight"][NAN_TOKEN] = torch.nan
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    return directory


def make_gguf(folder: Path) -> Path:
    """Write the same model as GGUF. The NaN is added last, since a conversion refuses it."""
    path = folder / "model.gguf"
    convert(make(folder / "llama", "LlamaConfig", byte_level("gpt-2")), path, lambda _value: None)
    reader = gguf.GGUFReader(path, "r+")
    [embedding] = [tensor for tensor in reader.tensors if tensor.name == "token_embd.weight"]
    embedding.data[NAN_TOKEN] = np.nan
    reader.data.flush()
    return path
