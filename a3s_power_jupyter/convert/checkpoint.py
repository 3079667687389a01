"""Read the tensors of a model directory one at a time, memory-mapped from its safetensors files.

Format: https://huggingface.co/docs/safetensors. The headers were checked when the model was
registered (`store.formats.safetensors`). Offsets are checked again, because the files may have
changed since.
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

#: safetensors dtype -> numpy type and bytes per element. numpy has no bfloat16, so it is read as
#: raw bits.
_DTYPES: dict[str, tuple[Any, int]] = {
    "F32": (np.float32, 4), "F16": (np.float16, 2), "BF16": (np.uint16, 2),
}  # fmt: skip


@dataclass(frozen=True)
class SourceTensor:
    """The location of a tensor. `read` and `read_float32` read its values.

    Attributes
    ----------
    offset : int
        Byte offset in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    @property
    def numpy_type(self) -> Any:
        return _DTYPES[self.dtype][0]

    def read(self) -> npt.NDArray[Any]:
        """Map the values from the file: float32, float16, or the bits of bfloat16."""
        return np.memmap(self.file, self.numpy_type, "r", self.offset, self.shape)

    def read_float32(self) -> npt.NDArray[np.float32]:
        values = self.read()
        if self.dtype == "BF16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32)


def open_tensors(directory: Path) -> dict[str, SourceTensor]:
    """Return all tensors of a directory by name.

    Raises
    ------
    CannotConvert
        If a tensor has an unsupported dtype, such as packed or 8-bit floats, or a header does not
        fit its file.
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
            raise CannotConvert(f"{path.name} is truncated")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return [_tensor(path, size, 8 + length, name, entry) for name, entry in header.items()]


def _tensor(path: Path, size: int, start: int, name: str, entry: dict[str, Any]) -> SourceTensor:
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if dtype not in _DTYPES:
        raise CannotConvert(f"its weights have the unsupported type {dtype}")
    expected = _DTYPES[dtype][1] * int(np.prod(shape, dtype=object))
    if not 0 <= begin <= end <= size - start or end - begin != expected:
        raise CannotConvert(f"the header of {path.name} is invalid at {name!r}")
    return SourceTensor(name, dtype, shape, path, start + begin)
