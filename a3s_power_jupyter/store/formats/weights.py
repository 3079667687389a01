"""Find the safetensors weights of a model directory and read their headers.

The file names are those of transformers (``SAFE_WEIGHTS_NAME`` and ``SAFE_WEIGHTS_INDEX_NAME`` of
``transformers.utils``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...contract.errors import InvalidModelDirectory
from ...contract.text import named
from ..files import SourceFile, source_file
from .json_file import read_object
from .safetensors import Tensor, read_header
from .tensor_names import wrapper_prefix

# In the order in which transformers looks for them.
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

#: Suffixes of weights that are loaded with `pickle`, which can run arbitrary code.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class Weights:
    """The weights files of a model.

    Attributes
    ----------
    files : tuple of SourceFile
        The files, sorted by name.
    dtype : str
        Type of most of the elements, as spelled in the files (``BF16``).
    tensors : tuple of Tensor
        The tensors of all files.
    """

    files: tuple[SourceFile, ...]
    dtype: str
    tensors: tuple[Tensor, ...]

    @property
    def elements(self) -> int:
        """Number of elements in all tensors."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def by_name(self) -> dict[str, Tensor]:
        """The tensors by their names without the prefix of a wrapper."""
        prefix = wrapper_prefix([tensor.name for tensor in self.tensors])
        return {tensor.name.removeprefix(prefix): tensor for tensor in self.tensors}


def find_weights(directory: Path) -> Weights:
    """Find and check the weights in `directory`.

    Raises
    ------
    InvalidModelDirectory
        If there are no weights or only pickled ones, or some are missing or damaged.
    FileNotFound, NotAFile, PathUnreadable, FileChanged
        If a file cannot be read, or changes while it is read.
    """
    if (directory / SINGLE).exists():
        files = [source_file(directory / SINGLE)]
        tensors = read_header(files[0])
    elif (directory / INDEX).exists():
        weight_map = _weight_map(directory)
        files = [source_file(directory / name) for name in sorted(set(weight_map.values()))]
        headers = {file.name: read_header(file) for file in files}
        names = {file: {tensor.name for tensor in header} for file, header in headers.items()}
        _check_tensors(directory, weight_map, names)
        _check_duplicates(directory, names)
        tensors = [tensor for header in headers.values() for tensor in header]
    else:
        raise no_weights(str(directory), (entry.name for entry in directory.iterdir()), "path")
    elements: Counter[str] = Counter()
    for tensor in tensors:
        elements[tensor.dtype] += tensor.elements
    if not elements.total():
        raise InvalidModelDirectory(f"The weights in {directory} are empty.", param="path")
    return Weights(tuple(files), elements.most_common(1)[0][0], tuple(tensors))


def _weight_map(directory: Path) -> dict[str, str]:
    """Read the index of sharded weights: tensor name to file name."""
    try:
        content = read_object(directory / INDEX).get("weight_map")
        weight_map = msgspec.convert(content, dict[str, str])
    except msgspec.ValidationError:
        weight_map = {}
    if not weight_map:
        raise InvalidModelDirectory(
            f"{directory / INDEX} has no weight_map of tensors to files. Download it again.",
            param="path",
        )
    for name in sorted(set(weight_map.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InvalidModelDirectory(
                f"{directory / INDEX} lists the {named('file', name)}, which is not a safetensors "
                "file next to it. Download it again.",
                param="path",
            )
        if not (directory / name).exists():
            raise InvalidModelDirectory(
                f"{directory / INDEX} lists {name}, which is missing. Download the whole model.",
                param="path",
            )
    return weight_map


def _check_tensors(directory: Path, weight_map: dict[str, str], names: dict[str, set[str]]) -> None:
    for tensor, file in weight_map.items():
        if tensor not in names[file]:
            raise InvalidModelDirectory(
                f"{file} does not have the {named('tensor', tensor)} that {directory / INDEX} "
                "lists for it. Download the whole model again.",
                param="path",
            )


def _check_duplicates(directory: Path, names: dict[str, set[str]]) -> None:
    """Raise if two files have a tensor of the same name, because only one would be used."""
    seen: dict[str, str] = {}
    for file, tensors in names.items():
        for tensor in sorted(tensors):
            if tensor in seen:
                raise InvalidModelDirectory(
                    f"{directory} has the {named('tensor', tensor)} in both {seen[tensor]} and "
                    f"{file}. Download the model again.",
                    param="path",
                )
            seen[tensor] = file


def no_weights(location: str, files: Iterable[str], param: str) -> InvalidModelDirectory:
    """Return the error for a directory or repository without weights, with advice.

    Parameters
    ----------
    location : str
        The directory or repository, for the message.
    files : iterable of str
        Paths in `location`, with slashes.
    param : str
        Request field that contains `location`.
    """
    names = sorted(files)
    ggufs = [name for name in names if name.endswith(".gguf")]
    safetensors = [name for name in names if name.endswith(".safetensors")]
    pickles = [name for name in names if name.endswith(PICKLES)]
    if ggufs:
        advice = f"It has a GGUF file: use {location}/{ggufs[0]} instead"
    elif any(name.endswith("adapter_model.safetensors") for name in names):
        advice = "It is a LoRA adapter: merge it into its base model and use the result"
    elif "model_index.json" in names:
        advice = "It is a diffusers pipeline, which generates images, not text"
    elif safetensors:
        advice = (
            f"It has {safetensors[0]}, but weights must be called {SINGLE} or be listed in {INDEX}"
        )
    elif pickles:
        advice = (
            f"Its weights are pickled ({pickles[0]}), and loading a pickle can run arbitrary code. "
            "Get the model as safetensors or GGUF, or save it with transformers' save_pretrained, "
            "which writes safetensors"
        )
    else:
        advice = f"Weights must be called {SINGLE} or be listed in {INDEX}, or be a GGUF file"
    return InvalidModelDirectory(f"{location} has no safetensors weights. {advice}.", param=param)
