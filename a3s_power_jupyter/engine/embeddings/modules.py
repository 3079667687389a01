"""The modules of sentence-transformers that turn hidden states into a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...contract.errors import ModelLoadFailed
from ...store.formats.embedding_modules import Module
from ...store.formats.json_file import read_object, read_optional_object
from ...store.formats.tensor_names import wrapper_prefix

#: Maps vectors of shape (texts, size) to vectors, which may have another size.
Step = Callable[[Tensor], Tensor]

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
_POOLING_KEYS = {
    *_POOLING, "pooling_mode", "include_prompt", "word_embedding_dimension", "embedding_dimension",
}  # fmt: skip

#: Classes of torch.nn with their default arguments, as sentence-transformers creates them.
_ACTIVATIONS: dict[str, Step] = {
    "Identity": lambda x: x,
    "Tanh": torch.tanh,
    "ReLU": torch.relu,
    "GELU": torch.nn.functional.gelu,
    "SiLU": torch.nn.functional.silu,
    "Sigmoid": torch.sigmoid,
}

#: The input and output of a module, if its settings do not name them.
_VECTORS = "sentence_embedding"


@dataclass(frozen=True)
class Pooling:
    """Pool the hidden states of a text's tokens.

    Attributes
    ----------
    modes : tuple of str
        Pooling modes ("cls", "max", "mean", ...). The vectors of several modes are concatenated.
    include_prompt : bool
        Whether the tokens of a prompt count in the pooling.
    """

    modes: tuple[str, ...] = ("mean",)
    include_prompt: bool = True

    def __call__(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return torch.cat([_pool(mode, tokens, mask) for mode in self.modes], dim=1)


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


def read_pooling(directory: Path, module: Module) -> Pooling:
    """Read the pooling module.

    Raises
    ------
    ModelLoadFailed
        If a pooling mode or a setting is not supported.
    """
    config = read_object(directory / module.folder / "config.json")
    unknown = sorted(set(config) - _POOLING_KEYS)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _POOLING.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    known = list(_POOLING.values())
    if not isinstance(modes, list) or not modes or any(mode not in known for mode in modes):
        raise ModelLoadFailed(
            f"The pooling mode {modes} is not supported (supported: {', '.join(known)})."
        )
    if unknown:
        raise ModelLoadFailed(f"The settings {unknown} of the model's pooling are not supported.")
    return Pooling(tuple(modes), config.get("include_prompt", True) is not False)


def read_step(directory: Path, module: Module) -> Step | None:
    """Read a module that comes after the pooling; None for one without effect.

    Raises
    ------
    ModelLoadFailed
        If a setting is not supported, or the weights do not fit the settings.
    """
    folder = directory / module.folder
    config = read_optional_object(folder / "config.json") if module.folder else {}
    _check_inputs(module, config)
    if module.kind == "Dense":
        return _read_dense(folder, config)
    if module.kind == "LayerNorm":
        return _read_layer_norm(folder, config)
    return normalize if module.kind == "Normalize" else None


def normalize(vectors: Tensor) -> Tensor:
    """Return the vectors with an L2 norm of 1."""
    return torch.nn.functional.normalize(vectors, dim=1)


def _check_inputs(module: Module, config: dict[str, Any]) -> None:
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in (None, _VECTORS):
            raise ModelLoadFailed(
                f"The {key} {config[key]!r} of the module in {module.folder} is not supported: "
                f"only {_VECTORS} is."
            )


@dataclass(frozen=True)
class Dense:
    """A linear layer with a weight of shape (out, in), and an optional residual connection."""

    weight: Tensor
    bias: Tensor | None
    activation: Step
    residual: Step | None

    def __call__(self, vectors: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(vectors)
        projected = torch.nn.functional.linear(vectors, self.weight.to(vectors), bias)
        result = self.activation(projected)
        return result if self.residual is None else result + self.residual(vectors)


def _read_dense(folder: Path, config: dict[str, Any]) -> Dense:
    size, out = config.get("in_features"), config.get("out_features")
    shapes: dict[str, tuple[Any, ...]] = {"linear.weight": (out, size)}
    if config.get("bias", True):
        shapes["linear.bias"] = (out,)
    if config.get("use_residual") and size != out:
        shapes["residual.weight"] = (out, size)
    tensors = _read_tensors(folder, shapes)
    residual: Step | None = None
    if config.get("use_residual"):
        weight = tensors.get("residual.weight")
        residual = (lambda x: x) if weight is None else (lambda x: x @ weight.T.to(x))
    return Dense(
        tensors["linear.weight"], tensors.get("linear.bias"), _activation(config), residual
    )


def _activation(config: dict[str, Any]) -> Step:
    """Return the activation function; the default of sentence-transformers is Tanh."""
    path = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, name = str(path).rpartition(".")
    if package.partition(".")[0] != "torch" or name not in _ACTIVATIONS:
        raise ModelLoadFailed(f"The activation function {path!r} is not supported.")
    return _ACTIVATIONS[name]


def _read_layer_norm(folder: Path, config: dict[str, Any]) -> Step:
    size = config.get("dimension")
    tensors = _read_tensors(folder, {"norm.weight": (size,), "norm.bias": (size,)})
    weight, bias = tensors["norm.weight"], tensors["norm.bias"]
    return lambda x: torch.nn.functional.layer_norm(x, weight.shape, weight.to(x), bias.to(x))


def _read_tensors(folder: Path, shapes: dict[str, tuple[Any, ...]]) -> dict[str, Tensor]:
    """Read the tensors of a module, which must be exactly those that its settings ask for."""
    tensors = load_file(folder / "model.safetensors")
    prefix = wrapper_prefix(tensors)
    tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != shapes:
        raise ModelLoadFailed(
            f"The weights in {folder.name} do not fit its config.json: they have {found} instead "
            f"of {shapes}. Download the model again."
        )
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise ModelLoadFailed(f"The weights in {folder.name} are not floating-point numbers.")
    return tensors
