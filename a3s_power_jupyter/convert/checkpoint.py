"""The tensors of a directory, one at a time, mapped from its safetensors files.

Format: https://huggingface.co/docs/safetensors. Headers were checked when the model was
registered (`store.safetensors`); offsets are checked again here, against the file of now.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .exceptions import CannotConvert

#: numpy has no bfloat16: its bits are kept as they are.
_DTYPES: dict[str, tuple[Any, int]] = {
    "F32": (np.float32, 4), "F16": (np.float16, 2), "BF16": (np.uint16, 2),
}  # fmt: skip


@dataclass(frozen=True)
class SourceTensor:
    """Where a tensor lies; nothing of it is read before `read`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    @property
    def numpy_type(self) -> Any:
        return _DTYPES[self.dtype][0]

    def read(self) -> npt.NDArray[Any]:
        """The numbers, mapped from the file: float32, float16, or the bits of bfloat16."""
        return np.memmap(self.file, self.numpy_type, "r", self.offset, self.shape)

    def read_float32(self) -> npt.NDArray[np.float32]:
        numbers = self.read()
        if self.dtype == "BF16":
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers.astype(np.float32)


def open_tensors(directory: Path) -> dict[str, SourceTensor]:
    """All tensors of the directory's weights, by name.

    Raises
    ------
    CannotConvert
        One has numbers of a type that is no weight's (packed, 8 bit floats, ...).
    """
    index = directory / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    return {tensor.name: tensor for name in names for tensor in _tensors(directory / name)}


def _tensors(path: Path) -> list[SourceTensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > size - 8:
            raise CannotConvert(f"{path.name} is cut short")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return [_tensor(path, size, 8 + length, name, entry) for name, entry in header.items()]


def _tensor(path: Path, size: int, start: int, name: str, entry: dict[str, Any]) -> SourceTensor:
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    first, last = entry["data_offsets"]
    if dtype not in _DTYPES:
        raise CannotConvert(f"its weights are of the type {dtype}")
    expected = _DTYPES[dtype][1] * int(np.prod(shape, dtype=object))
    if not 0 <= first <= last <= size - start or last - first != expected:
        raise CannotConvert(f"the header of {path.name} makes no sense at {name!r}")
    return SourceTensor(name, dtype, shape, path, start + first)
