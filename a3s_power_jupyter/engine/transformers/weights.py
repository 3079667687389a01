"""Load a model's weights with transformers, and check that all of them come from the files.

transformers fills in random numbers for tensors that are missing or have another shape, and ignores
tensors that it has no place for. Both change the model's answers without an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import nn

from ...contract.errors import ModelLoadFailed
from ...store.formats.safetensors import Tensor
from ...store.formats.tensor_names import wrapper_prefix
from ...store.formats.weights import find_weights

#: Number of tensors that a message names.
_NAMED = 3

#: Types that hold numbers as they are. Other types need the scales of a quantization.
_PLAIN_TYPES = ("F64", "F32", "F16", "BF16")


def load_weights(
    directory: Path, auto_class: Any, unneeded: tuple[str, ...], **options: Any
) -> tuple[Any, list[str]]:
    """Load a model.

    Parameters
    ----------
    auto_class : type
        The transformers class to load the model with.
    unneeded : tuple of str
        Prefixes of tensors that have no influence on the results and may be missing.
    **options
        Arguments of `from_pretrained`.

    Returns
    -------
    model : PreTrainedModel
        The model.
    unused : list of str
        Tensors in the files that belong to other parts than this class has.

    Raises
    ------
    ModelLoadFailed
        If a tensor is missing, has another shape than the model needs, or has no place in a part
        that the model has.
    """
    tensors = find_weights(directory).tensors
    prefix = wrapper_prefix([tensor.name for tensor in tensors])
    model, info = auto_class.from_pretrained(
        directory,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # or the error would not name them
        key_mapping={f"^{re.escape(prefix)}": ""} if prefix else None,
        **options,
    )
    missing = [name for name in info["missing_keys"] if not name.startswith(unneeded)]
    _check_shapes(info["mismatched_keys"])
    _check_missing(missing, info["unexpected_keys"])
    if getattr(model, "hf_quantizer", None) is not None:  # it replaces tensors by packed ones
        return model, []
    _check_types(model, tensors, prefix)
    inside, outside = _placed(model, info["unexpected_keys"])
    if inside:
        raise ModelLoadFailed(
            f"The weights have {_counted(inside)} that the model has no place for: "
            f"{_listed(inside)}. Without them its results would be wrong. Check the number of "
            "layers and the biases in config.json, or merge an adapter into the model."
        )
    return model, outside


def _check_shapes(mismatched: Collection[tuple[str, Any, Any]]) -> None:
    if not mismatched:
        return
    first = sorted(
        f"{name} is {tuple(found)} instead of {tuple(needed)}" for name, found, needed in mismatched
    )
    raise ModelLoadFailed(
        f"{_counted(first)} in the weights do not have the shape that config.json asks for: "
        f"{_listed(first)}. Download the model again, or correct config.json."
    )


def _check_missing(missing: Collection[str], unexpected: Collection[str]) -> None:
    if not missing:
        return
    others = f" They have others instead: {_listed(unexpected)}." if unexpected else ""
    raise ModelLoadFailed(
        f"The weights lack {_counted(missing)} that the model needs: {_listed(missing)}.{others} "
        "Download the model again, or save it again with save_pretrained."
    )


def _check_types(model: nn.Module, tensors: tuple[Tensor, ...], prefix: str) -> None:
    """Raise if a parameter is stored in a type that needs a quantization, and there is none."""
    parameters = {name for name, _ in model.named_parameters()}
    base = f"{getattr(model, 'base_model_prefix', '')}."
    packed = [
        f"{tensor.name} ({tensor.dtype})"
        for tensor in tensors
        if tensor.dtype not in _PLAIN_TYPES
        and not parameters.isdisjoint(_spellings(tensor.name.removeprefix(prefix), base))
    ]
    if packed:
        raise ModelLoadFailed(
            f"{_counted(packed)} of the model are quantized, but config.json has no "
            f"quantization_config: {_listed(packed)}. Download the whole model again."
        )


def _placed(model: nn.Module, unexpected: Collection[str]) -> tuple[list[str], list[str]]:
    """Split the names of unexpected tensors into those inside and outside of the model's parts.

    Another head, or the image encoder of a model that is loaded for text, is outside.
    """
    base = f"{getattr(model, 'base_model_prefix', '')}."
    parts = {name.removeprefix(base).split(".")[0] for name, _ in model.named_parameters()}
    names = sorted(unexpected)
    inside = [name for name in names if name.removeprefix(base).split(".")[0] in parts]
    return inside, [name for name in names if name not in inside]


def _spellings(name: str, base: str) -> set[str]:
    """Return a tensor's name with and without the prefix of the model without its head."""
    return {name, name.removeprefix(base), base + name}


def _counted(names: Collection[str]) -> str:
    return f"{len(names)} tensor{'' if len(names) == 1 else 's'}"


def _listed(names: Collection[str]) -> str:
    first = ", ".join(sorted(names)[:_NAMED])
    return f"{first} and {len(names) - _NAMED} more" if len(names) > _NAMED else first
