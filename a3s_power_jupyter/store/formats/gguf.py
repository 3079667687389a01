"""Read the headers of untrusted GGUF files.

The format is described in llama.cpp's gguf.h and in
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Each length is compared with the rest of
the file before it is used, work and memory are limited, and long arrays are skipped. The file is
not memory-mapped, because access to a mapped file that was truncated kills the process.
"""

from __future__ import annotations

import struct
from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple

from ...contract.errors import InvalidGGUF
from ...contract.fill_in import FILL_IN_TOKENS
from ...contract.text import named
from ..files import SourceFile, opened
from .cursor import Cursor, Readable
from .ggml import TENSOR_TYPES
from .lfs import refuse_pointer

MAGIC = b"GGUF"

# The limits are far above known models, which have up to 10,000 tensors and 1,000,000 tokens and
# merges, and low enough that a hostile header fails within two seconds. Key length and dimensions
# are limited by the format: 2**16 - 1 bytes, and GGML_MAX_DIMS.
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 17
MAX_STRINGS = 1 << 22
MAX_KEY = (1 << 16) - 1
MAX_KEPT_STRING = 1 << 20
MAX_KEPT_ARRAY = 1 << 12
MAX_TENSOR_NAME = 64  # GGML_MAX_NAME
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_ELEMENTS = (1 << 63) - 1  # ggml counts elements in int64

_DEFAULT_ALIGNMENT = 32  # GGUF_DEFAULT_ALIGNMENT

_STRING, _ARRAY = 8, 9  # of ``enum gguf_type``
#: The other members of ``enum gguf_type``.
_SCALARS = {
    number: struct.Struct(f"<{code}")
    for number, code in {
        0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
    }.items()
}  # fmt: skip

_FILL_IN_TOKENS = frozenset(name.encode() for name in FILL_IN_TOKENS)


class Omitted(NamedTuple):
    """A value that was skipped: a string of `length` bytes, or an array of `length` elements."""

    length: int


Value = int | float | str | list[int | float] | Omitted


class Tensor(NamedTuple):
    """An entry of the tensor table; `type` is a key of `ggml.TENSOR_TYPES`, or a newer type."""

    name: str
    elements: int
    type: int


@dataclass(frozen=True)
class Header:
    """The metadata and the tensor table of a GGUF file.

    Attributes
    ----------
    fill_in_tokens : set of str
        Those of `FILL_IN_TOKENS` that are in the vocabulary.
    """

    version: int
    metadata: dict[str, Value]
    tensors: tuple[Tensor, ...]
    fill_in_tokens: Set[str] = frozenset()

    def text(self, key: str) -> str:
        """Return the string at `key`, or "" if there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""


def read_header(source: SourceFile) -> Header:
    """Read and check the header of a GGUF file.

    Raises
    ------
    InvalidGGUF
        If the file is not a GGUF file, is truncated, or has an invalid header.
    FileNotFound, PathUnreadable, FileChanged
        If the file cannot be read, or changes while it is read.
    """
    refuse_pointer(source, InvalidGGUF)
    with opened(source) as file:
        return parse_header(file, str(source.path), source.size)


def parse_header(file: Readable, name: str, size: int) -> Header:
    """Read and check the header of a GGUF file of `size` bytes, which is called `name` in errors.

    Raises
    ------
    InvalidGGUF
        As `read_header`.
    """
    return _HeaderReader(Cursor(file, name, size)).read()


class _HeaderReader:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._strings = 0
        self._found: set[bytes] = set()

    def read(self) -> Header:
        version = self._version()
        # Minimum size of an entry in bytes. Tensor: length of the name 8, number of dimensions 4,
        # type 4, offset 8. Key: length 8, type 4, value 1.
        tensors = self._number_of("tensors", MAX_TENSORS, 24)
        keys = self._number_of("keys", MAX_KEYS, 13)
        metadata: dict[str, Value] = {}
        for _ in range(keys):
            key = self._cursor.text("a key", MAX_KEY)
            if key in metadata:
                raise self._cursor.invalid(f"the {named('key', key)} occurs twice")
            metadata[key] = self._value(self._cursor.u32())
        table = self._tensors(tensors, self._alignment(metadata))
        return Header(version, metadata, table, {text.decode() for text in self._found})

    def _version(self) -> int:
        if self._cursor.left < 24 or self._cursor.read(4) != MAGIC:
            raise self._cursor.invalid("it does not begin with a GGUF header")
        version = self._cursor.u32()
        if version in (1 << 24, 2 << 24, 3 << 24):
            raise self._cursor.invalid("it is big-endian, and this machine is little-endian")
        if version not in (2, 3):
            raise self._cursor.invalid(f"its version is {version}, but only 2 and 3 are supported")
        return version

    def _number_of(self, what: str, limit: int, min_size: int) -> int:
        number = self._cursor.u64()
        if number > limit or number * min_size > self._cursor.left:
            raise self._cursor.invalid(f"{number} {what} do not fit in the file")
        return number

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise self._cursor.invalid(f"{kind} is not a value type")
        return self._cursor.number(_SCALARS[kind])

    def _string(self) -> str | Omitted:
        length = self._cursor.u64()
        if length > MAX_KEPT_STRING:
            self._cursor.skip(length)
            return Omitted(length)
        return self._cursor.read(length).decode("utf-8", errors="replace")

    def _array(self) -> list[int | float] | Omitted:
        kind, length = self._cursor.u32(), self._cursor.u64()
        if kind == _STRING:
            self._skip_strings(length)
            return Omitted(length)
        if kind not in _SCALARS:  # nested arrays, too, which llama.cpp does not support
            raise self._cursor.invalid(f"{kind} is not a type of array elements")
        form = _SCALARS[kind]
        if length > MAX_KEPT_ARRAY:
            self._cursor.skip(length * form.size)
            return Omitted(length)
        return [value for (value,) in form.iter_unpack(self._cursor.read(length * form.size))]

    def _skip_strings(self, number: int) -> None:
        """Skip an array of strings, but remember the tokens for fill-in-the-middle."""
        self._strings += number
        if self._strings > MAX_STRINGS or number * 8 > self._cursor.left:
            raise self._cursor.invalid(f"an array of {number} strings is too long")
        self._found |= self._cursor.skip_strings(number, _FILL_IN_TOKENS)

    def _alignment(self, metadata: dict[str, Value]) -> int:
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise self._cursor.invalid("its alignment is not a power of two")
        return alignment

    def _tensors(self, number: int, alignment: int) -> tuple[Tensor, ...]:
        tensors = []
        names = set()
        end = 0
        for _ in range(number):
            tensor, tensor_end = self._tensor(alignment)
            if tensor.name in names:
                raise self._cursor.invalid(f"the {named('tensor', tensor.name)} occurs twice")
            names.add(tensor.name)
            tensors.append(tensor)
            end = max(end, tensor_end)
        padding = -self._cursor.position % alignment
        if tensors and padding + end > self._cursor.left:
            missing = padding + end - self._cursor.left
            raise self._cursor.invalid(f"the last {missing} bytes of its tensors are missing")
        return tuple(tensors)

    def _tensor(self, alignment: int) -> tuple[Tensor, int]:
        """Read a tensor; return it and the end of its data, relative to the start of all data."""
        name = self._cursor.text("a tensor name", MAX_TENSOR_NAME)
        dimensions = self._cursor.u32()
        if dimensions > MAX_DIMENSIONS:
            raise self._cursor.invalid(f"the {named('tensor', name)} has {dimensions} dimensions")
        shape = [self._cursor.u64() for _ in range(dimensions)]
        elements = 1
        for length in shape:
            elements *= length
        if elements > MAX_ELEMENTS or max(shape, default=1) > MAX_ELEMENTS:
            raise self._cursor.invalid(f"the {named('tensor', name)} has {elements} elements")
        kind, offset = self._cursor.u32(), self._cursor.u64()
        if offset % alignment:
            raise self._cursor.invalid(f"the {named('tensor', name)} is not aligned")
        return Tensor(name, elements, kind), offset + self._data_size(name, shape, elements, kind)

    def _data_size(self, name: str, shape: list[int], elements: int, kind: int) -> int:
        if kind not in TENSOR_TYPES:
            return 0  # a newer type, which llama.cpp may support
        form = TENSOR_TYPES[kind]
        row = shape[0] if shape else 1
        if row % form.elements:
            raise self._cursor.invalid(
                f"the {named('tensor', name)} has rows of {row} elements, and cannot be {form.name}"
            )
        return elements // form.elements * form.size
