"""The tensors of a GGUF file: their types, and the transforms of their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from .checkpoint import SourceTensor

#: Maps the values of a tensor to new values of the same shape.
Transform = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

_TYPES = {
    "F32": gguf.GGMLQuantizationType.F32,
    "F16": gguf.GGMLQuantizationType.F16,
    "BF16": gguf.GGMLQuantizationType.BF16,
}


@dataclass(frozen=True)
class OutputTensor:
    """A tensor of the GGUF file.

    Vectors (norms and biases) are written as float32, the type that llama.cpp computes them in.
    Matrices keep their type, so that quantization starts from the original values.

    Attributes
    ----------
    transform : callable or None
        Applied to the values. For bfloat16 matrices it gets the raw bits, so it may only move
        values, not compute with them.
    offset : float
        Added to a vector (Gemma stores its norms minus 1).
    """

    name: str
    source: SourceTensor
    transform: Transform | None = None
    offset: float = 0.0

    @property
    def is_vector(self) -> bool:
        return len(self.source.shape) <= 1

    @property
    def type(self) -> gguf.GGMLQuantizationType:
        return gguf.GGMLQuantizationType.F32 if self.is_vector else _TYPES[self.source.dtype]

    @property
    def numpy_type(self) -> npt.DTypeLike:
        """The numpy dtype of `data`; bfloat16 is read as uint16."""
        return np.float32 if self.is_vector else self.source.numpy_type

    @property
    def nbytes(self) -> int:
        elements = int(np.prod(self.source.shape, dtype=object))
        return elements * (4 if self.type == gguf.GGMLQuantizationType.F32 else 2)

    def data(self) -> npt.NDArray[Any]:
        """Read the values, and apply the offset and the transform."""
        source = self.source
        values = source.read_float32() + self.offset if self.is_vector else source.read()
        return values if self.transform is None else self.transform(values)


def interleave_halves(heads: int) -> Transform:
    """Return a transform that reorders the rows of a query or key projection for llama.cpp.

    For a rotary embedding of a head with d rows, transformers rotates the pairs (i, i + d/2), and
    llama.cpp's `llama` architecture the pairs (2i, 2i + 1).
    """

    def transform(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shape = values.shape
        halves = values.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(shape))

    return transform
