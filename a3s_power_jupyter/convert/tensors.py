"""What is written of a tensor: in which type, and after which change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from .checkpoint import SourceTensor

#: Changes the numbers of a tensor; the shape stays.
Change = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

_RAW = {
    "F32": gguf.GGMLQuantizationType.F32,
    "F16": gguf.GGMLQuantizationType.F16,
    "BF16": gguf.GGMLQuantizationType.BF16,
}


@dataclass(frozen=True)
class Written:
    """A tensor of the GGUF file.

    Vectors (norms, biases) are written as float32, as llama.cpp computes with them; matrices keep
    their type, so that quantization starts from what the model is.

    Attributes
    ----------
    change : applied to the numbers, or for matrices of bfloat16 to their bits: it moves them and
        does not compute.
    offset : added to a vector (Gemma's norms are stored less 1).
    """

    name: str
    source: SourceTensor
    change: Change | None = None
    offset: float = 0.0

    @property
    def vector(self) -> bool:
        return len(self.source.shape) <= 1

    @property
    def type(self) -> gguf.GGMLQuantizationType:
        return gguf.GGMLQuantizationType.F32 if self.vector else _RAW[self.source.dtype]

    @property
    def data_type(self) -> npt.DTypeLike:
        """numpy's type of `data`; the bits of bfloat16 go by uint16."""
        return np.float32 if self.vector else self.source.numpy_type

    @property
    def nbytes(self) -> int:
        elements = int(np.prod(self.source.shape, dtype=object))
        return elements * (4 if self.type == gguf.GGMLQuantizationType.F32 else 2)

    def data(self) -> npt.NDArray[Any]:
        numbers = self.source.read_float32() + self.offset if self.vector else self.source.read()
        return numbers if self.change is None else self.change(numbers)


def interleave_halves(heads: int) -> Change:
    """The rows of a query or key projection in the order of llama.cpp's rotary embedding.

    transformers rotates the pairs (i, i + d/2) of a head's d rows, llama.cpp's architecture
    `llama` the pairs (2i, 2i + 1).
    """

    def change(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shape = numbers.shape
        halves = numbers.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(shape))

    return change
