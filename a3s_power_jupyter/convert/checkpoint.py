"""Read the tensors of a model directory one at a time, memory-mapped from its safetensors files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..store.formats.weights import find_weights
from .exceptions import CannotConvert

#: safetensors dtype -> numpy type. numpy has no bfloat16, so it is read as raw bits.
_DTYPES: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}

#: Elements that are compared at once.
_COMPARED = 1 << 20


@dataclass(frozen=True)
class SourceTensor:
    """The location of a tensor in a safetensors file. `read` and `read_float32` read its values.

    Attributes
    ----------
    offset : int
        Position of the first byte in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    @property
    def numpy_type(self) -> Any:
        return _DTYPES[self.dtype]

    def read(self) -> npt.NDArray[Any]:
        """Map the values from the file: float32, float16, or bfloat16 as uint16."""
        return np.memmap(self.file, self.numpy_type, "r", self.offset, self.shape)

    def read_float32(self) -> npt.NDArray[np.float32]:
        """Read the values and convert them to float32."""
        values = self.read()
        if self.dtype == "BF16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32)

    def equals(self, other: SourceTensor) -> bool:
        """Return whether another tensor has the same type, shape and values."""
        if (self.dtype, self.shape) != (other.dtype, other.shape):
            return False
        rows = max(1, _COMPARED // max(1, self.read()[0].size))
        return all(
            np.array_equal(self.read()[start : start + rows], other.read()[start : start + rows])
            for start in range(0, self.shape[0], rows)
        )


def open_tensors(directory: Path) -> dict[str, SourceTensor]:
    """Return all tensors of a directory by name, without the prefix of a wrapper.

    Raises
    ------
    CannotConvert
        If a tensor has an unsupported dtype, such as packed or 8-bit floats.
    InvalidModelDirectory
        If the weights are damaged.
    """
    tensors = {}
    for name, (_, dtype, shape, offset, file) in find_weights(directory).by_name.items():
        if dtype not in _DTYPES:
            raise CannotConvert(f"its weights have the unsupported type {dtype}")
        tensors[name] = SourceTensor(name, dtype, shape, file, offset)
    return tensors
