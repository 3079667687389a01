"""Read numbers and strings from an untrusted GGUF header, within limits on memory and work."""

from __future__ import annotations

import struct
from collections.abc import Set
from typing import Protocol

from ...contract.errors import InvalidGGUF

# Far above the header of any known model, and low enough that a hostile one fails within a second.
MAX_KEPT = 16 << 20  # bytes of keys, names and values
MAX_READ = 512 << 20  # bytes read from the file, including those skipped within a buffer

_BUFFER = 1 << 20

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Readable(Protocol):
    """What is read: a file, or something like it."""

    def seek(self, offset: int, /) -> int: ...

    def read(self, size: int, /) -> bytes | None: ...


class Cursor:
    """A buffered forward reader of little-endian numbers and strings.

    All methods raise `InvalidGGUF` if a value extends beyond the end of the file or a limit.

    Parameters
    ----------
    name : str
        Name of the file, for errors.
    size : int
        Size of the file in bytes.
    """

    def __init__(self, file: Readable, name: str, size: int) -> None:
        self._file = file
        self._name = name
        self._size = size
        self._buffer = b""
        self._start = 0  # position of the buffer in the file
        self._at = 0  # position in the buffer; beyond its end after a long skip
        self._kept_bytes = 0
        self._read_bytes = 0

    @property
    def position(self) -> int:
        return self._start + self._at

    @property
    def left(self) -> int:
        return self._size - self.position

    def invalid(self, reason: str) -> InvalidGGUF:
        return InvalidGGUF(
            f"{self._name} is not a valid GGUF file: {reason} (near byte {self.position}). "
            "Download it again, or choose another file.",
            param="path",
        )

    def read(self, length: int) -> bytes:
        self._need(length)
        self._kept_bytes += length
        if self._kept_bytes > MAX_KEPT:
            raise self.invalid(f"its header has more than {MAX_KEPT >> 20} MiB of text")
        end = self._at + length
        value = self._buffer[self._at : end]
        self._at = end
        return value

    def skip(self, length: int) -> None:
        if length > self.left:
            raise self.invalid(f"{length} bytes should follow, but only {self.left} do")
        self._at += length

    def number(self, form: struct.Struct) -> int | float:
        value: int | float = form.unpack(self.read(form.size))[0]
        return value

    def u32(self) -> int:
        return int(self.number(_U32))

    def u64(self) -> int:
        return int(self.number(_U64))

    def text(self, what: str, limit: int) -> str:
        length = self.u64()
        if length > limit:
            raise self.invalid(f"{what} of {length} bytes is longer than {limit}")
        return self.read(length).decode("utf-8", errors="replace")

    def skip_strings(self, number: int, wanted: Set[bytes] = frozenset()) -> set[bytes]:
        """Skip strings without decoding them, because vocabularies have more than 100,000.

        Returns
        -------
        set of bytes
            The strings among `wanted` that are there.
        """
        buffer, at, unpack = self._buffer, self._at, _U64.unpack_from
        lengths = {len(text) for text in wanted}
        found = set()
        for _ in range(number):
            if at + 8 > len(buffer):
                self._at = at
                self._need(8)
                buffer, at = self._buffer, self._at
            length = unpack(buffer, at)[0]
            if length in lengths:
                if at + 8 + length > len(buffer):
                    self._at = at
                    self._need(8 + length)
                    buffer, at = self._buffer, self._at
                text = buffer[at + 8 : at + 8 + length]
                if text in wanted:
                    found.add(text)
            at += 8 + length
        self._at = at
        if self.left < 0:
            raise self.invalid("a string extends beyond the end of the file")
        return found

    def _need(self, length: int) -> None:
        """Make sure that the next `length` bytes are in the buffer."""
        if length > self.left:
            raise self.invalid("it ends in the middle of its header")
        if self._at + length > len(self._buffer):
            self._start, self._at = self.position, 0
            self._file.seek(self._start)
            self._buffer = self._file.read(max(length, _BUFFER)) or b""
            self._read_bytes += len(self._buffer)
            if self._read_bytes > MAX_READ:
                raise self.invalid(f"its header has more than {MAX_READ >> 20} MiB")
            if len(self._buffer) < length:
                raise self.invalid("it ends in the middle of its header")
