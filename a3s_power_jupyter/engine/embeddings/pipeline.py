"""From the vectors of tokens to the vector of a text, as a directory's own files say.

The files are those of sentence-transformers (https://sbert.net): `modules.json` lists the steps,
each with a folder. Code that they name is never imported: the steps known here are ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...contract.errors import ModelLoadFailed

#: Ways to pool by the keys that configurations have, in the order in which several are put side
#: by side. Newer files name the ways under "pooling_mode" instead.
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
    """A linear layer after the pooling; `weight` has the shape (out, in)."""

    weight: Tensor
    bias: Tensor | None
    activation: Callable[[Tensor], Tensor]

    def __call__(self, vectors: Tensor) -> Tensor:
        weight = self.weight.to(vectors)
        bias = None if self.bias is None else self.bias.to(vectors)
        return self.activation(torch.nn.functional.linear(vectors, weight, bias))


@dataclass
class Pipeline:
    """What comes around the model.

    Attributes
    ----------
    pooling : one or more of "cls", "max", "mean", ...; their vectors are put side by side.
    include_prompt : whether the tokens of a prompt count in the pooling.
    max_length : tokens of a text; what is longer is cut, as sentence-transformers does.
    prompts : texts that may be put in front, by name.
    """

    pooling: tuple[str, ...] = ("mean",)
    include_prompt: bool = True
    dense: list[Dense] = field(default_factory=list)
    max_length: int | None = None
    lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None

    def pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Vectors of texts; `tokens` has the shape (texts, tokens, size), `mask` is 1 where a
        token counts. Normalised to length 1."""
        tokens = tokens.float()
        vectors = torch.cat([_pooled(mode, tokens, mask) for mode in self.pooling], dim=1)
        for dense in self.dense:
            vectors = dense(vectors)
        return torch.nn.functional.normalize(vectors, dim=1)


def _pooled(mode: str, tokens: Tensor, mask: Tensor) -> Tensor:
    """Source: sentence_transformers' Pooling module, whose names these are."""
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
    """The steps of a directory; mean pooling where it does not say.

    Raises
    ------
    ModelLoadFailed
        A step is not known, or a file makes no sense.
    """
    pipeline = Pipeline()
    if (directory / "modules.json").exists():
        for module in json.loads((directory / "modules.json").read_text("utf-8")):
            kind = str(module.get("type", "")).rpartition(".")[2]
            _read_step(pipeline, kind, directory / str(module.get("path", "")))
    _read_limits(pipeline, directory)
    _read_prompts(pipeline, directory)
    return pipeline


def _read_step(pipeline: Pipeline, kind: str, folder: Path) -> None:
    if kind == "Pooling":
        _read_pooling(pipeline, _object(folder / "config.json"))
    elif kind == "Dense":
        pipeline.dense.append(_read_dense(folder))
    elif kind not in ("Transformer", "Normalize"):  # vectors are normalised in any case
        raise ModelLoadFailed(
            f"The model's modules.json has a step {kind!r} that is not known here (known: "
            "Transformer, Pooling, Dense, Normalize)."
        )


def _read_pooling(pipeline: Pipeline, config: dict[str, Any]) -> None:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _POOLING.items() if config.get(key) is True] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    known = list(_POOLING.values())
    if not isinstance(modes, list) or not modes or any(mode not in known for mode in modes):
        raise ModelLoadFailed(f"The model pools by {modes}; known are {', '.join(known)}.")
    pipeline.pooling = tuple(modes)
    pipeline.include_prompt = config.get("include_prompt", True) is not False


def _read_dense(folder: Path) -> Dense:
    config = _object(folder / "config.json")
    name = str(config.get("activation_function", "Identity")).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise ModelLoadFailed(f"The model's activation {name!r} is not known here.")
    tensors = load_file(folder / "model.safetensors")
    return Dense(tensors["linear.weight"], tensors.get("linear.bias"), _ACTIVATIONS[name])


def _read_limits(pipeline: Pipeline, directory: Path) -> None:
    config = _object(directory / "sentence_bert_config.json")
    length = config.get("max_seq_length")
    if isinstance(length, int) and length > 0:
        pipeline.max_length = length
    pipeline.lower_case = config.get("do_lower_case") is True


def _read_prompts(pipeline: Pipeline, directory: Path) -> None:
    config = _object(directory / "config_sentence_transformers.json")
    prompts = config.get("prompts")
    if isinstance(prompts, dict):
        pipeline.prompts = {str(name): str(text) for name, text in prompts.items()}
    default = config.get("default_prompt_name")
    pipeline.default_prompt = default if default in pipeline.prompts else None


def _object(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    value = json.loads(path.read_text("utf-8"))
    return value if isinstance(value, dict) else {}
