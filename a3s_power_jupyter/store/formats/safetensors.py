"""Read the headers of untrusted safetensors files.

A file is an 8-byte little-endian length, a JSON header of that length, and the data of the tensors
(https://huggingface.co/docs/safetensors). As in the reference implementation, a header has at most
100 MB, and the tensors fill the rest of the file without overlaps or gaps.
"""

from __future__ import annotations

import math
import struct
from io import FileIO
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from ...contract.errors import InvalidModelDirectory
from ...contract.text import named
from ..files import SourceFile, opened
from .json_file import fault
from .lfs import refuse_pointer

MAX_HEADER = 100_000_000  # bytes; MAX_HEADER_SIZE of the reference implementation
MAX_ELEMENTS = (1 << 63) - 1

_LENGTH = struct.Struct("<Q")

#: Bits per element, by type (``Dtype`` of the reference implementation).
_BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

_Natural = Annotated[int, Meta(ge=0, le=MAX_ELEMENTS)]


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: Annotated[list[_Natural], Meta(max_length=16)]
    data_offsets: tuple[_Natural, _Natural]


class Tensor(NamedTuple):
    """A tensor of a weights file.

    Attributes
    ----------
    dtype : str
        Spelled as in the file (``BF16``).
    offset : int
        Position of the first byte in the file.
    file : Path
        The file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    file: Path

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read_header(source: SourceFile) -> list[Tensor]:
    """Return the tensors of a weights file, checked against its size.

    Raises
    ------
    InvalidModelDirectory
        If the file is truncated or has an invalid header.
    FileNotFound, PathUnreadable, FileChanged
        If the file cannot be read, or changes while it is read.
    """
    refuse_pointer(source, InvalidModelDirectory)
    with opened(source) as file:
        text = _header_text(file, source)
    try:
        entries = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        entries.pop("__metadata__", None)
        table = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in entries.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(source, f"its header cannot be read: {fault(error)}") from None
    return _checked(source, table, source.size - _LENGTH.size - len(text))


def _header_text(file: FileIO, source: SourceFile) -> bytes:
    length_bytes = file.read(_LENGTH.size)
    if len(length_bytes) < _LENGTH.size:
        raise _invalid(source, "it is too short to have a header")
    (length,) = _LENGTH.unpack(length_bytes)
    if length > min(MAX_HEADER, source.size - _LENGTH.size):
        raise _invalid(source, f"its header cannot have {length} bytes")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise _invalid(source, "it does not begin with a safetensors header")
    return text


def _checked(source: SourceFile, table: dict[str, _Entry], data_size: int) -> list[Tensor]:
    start = source.size - data_size
    tensors = []
    end = 0
    for name, entry in sorted(table.items(), key=lambda item: item[1].data_offsets):
        begin, following = entry.data_offsets
        if begin != end or following < begin:
            raise _invalid(
                source, f"the {named('tensor', name)} does not start where the last one ends"
            )
        elements = _elements(source, name, entry)
        bits = _BITS.get(entry.dtype)
        if bits is not None and elements * bits != (following - begin) * 8:
            raise _invalid(
                source, f"the size of the {named('tensor', name)} does not match its shape"
            )
        tensors.append(Tensor(name, entry.dtype, tuple(entry.shape), start + begin, source.path))
        end = following
    if end != data_size:
        raise _invalid(source, f"its tensors have {end} bytes, but the file has {data_size}")
    return tensors


def _elements(source: SourceFile, name: str, entry: _Entry) -> int:
    elements = 1
    for length in entry.shape:
        elements *= length
        if elements > MAX_ELEMENTS:
            raise _invalid(source, f"the {named('tensor', name)} has too many elements")
    return elements


def _invalid(source: SourceFile, reason: str) -> InvalidModelDirectory:
    return InvalidModelDirectory(
        f"{source.path} is not a valid safetensors file: {reason}. Download it again.", param="path"
    )
