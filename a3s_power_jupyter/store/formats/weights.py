"""Which safetensors files of a directory hold the model, and what their headers say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...contract.errors import InvalidModelDirectory
from ..files import SourceFile, look
from .json_file import read_object
from .safetensors import read_header

# The two names that transformers looks for, in its order.
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class Weights:
    """The weights files of a model.

    Attributes
    ----------
    dtype : the type that most of the numbers have, as the format spells it (``BF16``).
    elements : numbers in all tensors.
    """

    files: tuple[SourceFile, ...]
    dtype: str
    elements: int


def find_weights(directory: Path) -> Weights:
    """Find and check the weights of the model in `directory`.

    Raises
    ------
    InvalidModelDirectory
        There are none, only pickled ones, or some are missing or damaged.
    FileNotFound, NotAFile, PathUnreadable, FileChanged
    """
    if (directory / SINGLE).exists():
        files = [look(directory / SINGLE)]
        tensors = read_header(files[0])
    elif (directory / INDEX).exists():
        placed = _index(directory)
        files = [look(directory / name) for name in sorted(set(placed.values()))]
        found = {file.name: read_header(file) for file in files}
        _check_placed(directory, placed, {n: {t.name for t in ts} for n, ts in found.items()})
        tensors = [tensor for file in found.values() for tensor in file]
    else:
        raise _no_weights(directory)
    elements: Counter[str] = Counter()
    for tensor in tensors:
        elements[tensor.dtype] += tensor.elements
    if not elements.total():
        raise InvalidModelDirectory(f"The weights in {directory} are empty.", param="path")
    return Weights(tuple(files), elements.most_common(1)[0][0], elements.total())


def _index(directory: Path) -> dict[str, str]:
    """The index of sharded weights: tensor name to file name."""
    content = read_object(directory / INDEX)
    try:
        placed = msgspec.convert(content.get("weight_map"), dict[str, str])
    except msgspec.ValidationError:
        placed = {}
    if not placed:
        raise InvalidModelDirectory(
            f"{directory / INDEX} has no weight_map of tensors to files. Download it again.",
            param="path",
        )
    for name in sorted(set(placed.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InvalidModelDirectory(
                f"{directory / INDEX} names {name[:80]!r}, which is no safetensors file beside "
                "it. Download it again.",
                param="path",
            )
        if not (directory / name).exists():
            raise InvalidModelDirectory(
                f"{directory / INDEX} names {name}, which is missing. Download the whole model.",
                param="path",
            )
    return placed


def _check_placed(directory: Path, placed: dict[str, str], found: dict[str, set[str]]) -> None:
    for tensor, name in placed.items():
        if tensor not in found[name]:
            raise InvalidModelDirectory(
                f"{directory / INDEX} looks for the tensor {tensor[:80]!r} in {name}, which does "
                "not have it. Download the whole model again.",
                param="path",
            )


def _no_weights(directory: Path) -> InvalidModelDirectory:
    names = sorted(entry.name for entry in directory.iterdir())
    pickles = [name for name in names if name.endswith(_PICKLES)]
    ggufs = [name for name in names if name.endswith(".gguf")]
    others = [name for name in names if name.endswith(".safetensors")]
    if ggufs:
        reason = f"It has a GGUF file: register {directory / ggufs[0]} instead"
    elif "adapter_model.safetensors" in others:
        reason = "It is a LoRA adapter: merge it into its base model and register that"
    elif others:
        reason = f"It has {others[0]}, but weights must be called {SINGLE}, or be listed in {INDEX}"
    elif pickles:
        reason = (
            f"Its weights are pickled ({pickles[0]}), and opening a pickle can run any code. Get "
            "the model as safetensors, or save it with transformers' save_pretrained, which "
            "writes safetensors"
        )
    else:
        reason = f"Its weights must be called {SINGLE}, or be listed in {INDEX}"
    return InvalidModelDirectory(f"{directory} has no safetensors weights. {reason}.", param="path")
