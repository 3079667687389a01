"""Turn the hidden states of a text into one vector, as configured in the model's directory.

The files are those of sentence-transformers (https://sbert.net): `modules.json` lists the modules
and the folder of each. The classes it names are never imported; this file implements the modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...contract.errors import ModelLoadFailed
from ...store.formats.json_file import read_array, read_optional_object

#: Configuration key -> pooling mode, in the order in which several modes are concatenated. Newer
#: files use the key "pooling_mode" instead.
_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "Identity": lambda x: x,
    "Tanh": torch.tanh,
    "ReLU": torch.relu,
    "GELU": torch.nn.functional.gelu,
    "SiLU": torch.nn.functional.silu,
    "Sigmoid": torch.sigmoid,
}


@dataclass(frozen=True)
class Dense:
    """A linear layer after the pooling, with a weight of shape (out, in)."""

    weight: Tensor
    bias: Tensor | None
    activation: Callable[[Tensor], Tensor]

    def __call__(self, vectors: Tensor) -> Tensor:
        weight = self.weight.to(vectors)
        bias = None if self.bias is None else self.bias.to(vectors)
        return self.activation(torch.nn.functional.linear(vectors, weight, bias))


@dataclass
class Pipeline:
    """The steps before and after the model.

    Attributes
    ----------
    pooling : tuple of str
        Pooling modes ("cls", "max", "mean", ...). The vectors of several modes are concatenated.
    include_prompt : bool
        Whether the tokens of a prompt count in the pooling.
    max_length : int or None
        Maximum number of tokens of a text. Longer texts are truncated, as in
        sentence-transformers.
    prompts : dict
        Text to put in front of the input, by name.
    """

    pooling: tuple[str, ...] = ("mean",)
    include_prompt: bool = True
    dense: list[Dense] = field(default_factory=list)
    max_length: int | None = None
    lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None

    def pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the vectors of texts, L2-normalized.

        Parameters
        ----------
        tokens : Tensor
            Hidden states; shape (texts, tokens, size).
        mask : Tensor
            1 for each token that counts in the pooling; shape (texts, tokens).
        """
        tokens = tokens.float()
        vectors = torch.cat([_pool(mode, tokens, mask) for mode in self.pooling], dim=1)
        for dense in self.dense:
            vectors = dense(vectors)
        return torch.nn.functional.normalize(vectors, dim=1)


def _pool(mode: str, tokens: Tensor, mask: Tensor) -> Tensor:
    """Pool like the module `Pooling` of sentence-transformers."""
    weights = mask.unsqueeze(-1).float()
    positions = torch.arange(mask.shape[1], device=mask.device)
    if mode == "cls":
        return tokens[torch.arange(len(tokens), device=mask.device), mask.argmax(dim=1)]
    if mode == "lasttoken":
        last = (mask * (positions + 1)).argmax(dim=1)
        return tokens[torch.arange(len(tokens), device=mask.device), last]
    if mode == "max":
        return tokens.masked_fill(weights == 0, -1e9).max(dim=1).values
    if mode == "weightedmean":
        weights = weights * (positions + 1).unsqueeze(-1).float()
    total = weights.sum(dim=1).clamp(min=1e-9)
    summed = (tokens * weights).sum(dim=1)
    return summed / (total.sqrt() if mode == "mean_sqrt_len_tokens" else total)


def read_pipeline(directory: Path) -> Pipeline:
    """Read the pipeline of a directory. The default is mean pooling.

    Raises
    ------
    ModelLoadFailed
        If a module, pooling mode or activation is not supported.
    """
    pipeline = Pipeline()
    if (directory / "modules.json").exists():
        for module in read_array(directory / "modules.json"):
            kind = str(module.get("type", "")).rpartition(".")[2]
            _read_module(pipeline, kind, directory / str(module.get("path", "")))
    _read_limits(pipeline, directory)
    _read_prompts(pipeline, directory)
    return pipeline


def _read_module(pipeline: Pipeline, kind: str, folder: Path) -> None:
    if kind == "Pooling":
        _read_pooling(pipeline, read_optional_object(folder / "config.json"))
    elif kind == "Dense":
        pipeline.dense.append(_read_dense(folder))
    elif kind not in ("Transformer", "Normalize"):  # vectors are always normalized
        raise ModelLoadFailed(
            f"The module {kind!r} in the model's modules.json is not supported (supported: "
            "Transformer, Pooling, Dense, Normalize)."
        )


def _read_pooling(pipeline: Pipeline, config: dict[str, Any]) -> None:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _POOLING.items() if config.get(key) is True] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    known = list(_POOLING.values())
    if not isinstance(modes, list) or not modes or any(mode not in known for mode in modes):
        raise ModelLoadFailed(
            f"The pooling mode {modes} is not supported (supported: {', '.join(known)})."
        )
    pipeline.pooling = tuple(modes)
    pipeline.include_prompt = config.get("include_prompt", True) is not False


def _read_dense(folder: Path) -> Dense:
    config = read_optional_object(folder / "config.json")
    name = str(config.get("activation_function", "Identity")).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise ModelLoadFailed(f"The activation function {name!r} is not supported.")
    tensors = load_file(folder / "model.safetensors")
    return Dense(tensors["linear.weight"], tensors.get("linear.bias"), _ACTIVATIONS[name])


def _read_limits(pipeline: Pipeline, directory: Path) -> None:
    config = read_optional_object(directory / "sentence_bert_config.json")
    length = config.get("max_seq_length")
    if isinstance(length, int) and length > 0:
        pipeline.max_length = length
    pipeline.lower_case = config.get("do_lower_case") is True


def _read_prompts(pipeline: Pipeline, directory: Path) -> None:
    config = read_optional_object(directory / "config_sentence_transformers.json")
    prompts = config.get("prompts")
    if isinstance(prompts, dict):
        pipeline.prompts = {str(name): str(text) for name, text in prompts.items()}
    default = config.get("default_prompt_name")
    pipeline.default_prompt = default if default in pipeline.prompts else None
