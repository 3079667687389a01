"""Format sizes, counts and durations, and describe models.

`labextension/src/views/format.ts` formats them identically.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from msgspec import UNSET

from ..contract.types import Model


def size(count: int) -> str:
    """Format a number of bytes in powers of 1000, for example ``98.1 MB``."""
    return _scaled(count, ("B", "kB", "MB", "GB", "TB"))


def parameter_count(count: int) -> str:
    """Format a number of parameters, for example ``135 M``."""
    return _scaled(count, ("", "k", "M", "B", "T"))


def tokens(count: int) -> str:
    """Format a number of tokens briefly, for example ``1.7k``."""
    return _scaled(count, ("", "k", "M")).replace(" ", "")


def _scaled(count: int, units: Sequence[str]) -> str:
    value = float(count)
    unit = units[0]
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= 1000
    digits = 0 if unit == units[0] or value >= 99.95 else 1
    return f"{value:.{digits}f} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Format a number of seconds in the largest unit, rounded, for example ``4 min``."""
    for unit, length, limit in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 24)):
        rounded = math.floor(max(seconds, 0) / length + 0.5)
        if rounded < limit:
            return f"{rounded} {unit}"
    return f"{math.floor(seconds / 86400 + 0.5)} d"


def seconds(value: float) -> str:
    """Format a short time with one decimal, and a longer one as a duration: ``0.2 s``, ``12 s``."""
    small = _small(value)
    return f"{small} s" if small else duration(value)


def rate(value: float) -> str:
    """Format tokens per second, for example ``45 tokens/s`` or ``4.3 tokens/s``."""
    return f"{_small(value) or format(math.floor(value + 0.5), ',')} tokens/s"


def _small(value: float) -> str:
    """Format a number below 10 with one decimal; return an empty string for other numbers."""
    tenths = math.floor(value * 10 + 0.5)  # rounds half up, as JavaScript does
    if tenths < 1:
        return "<0.1"
    return f"{tenths / 10:.1f}" if tenths < 100 else ""


def columns(headers: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]) -> str:
    """Format rows of cells as lines of text with aligned columns, below their headers.

    The columns with a header in `numbers` are aligned to the right.
    """
    lines = (headers, *rows)
    aligned = (
        _aligned(column, right=header in numbers)
        for header, column in zip(headers, zip(*lines, strict=True), strict=True)
    )
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*aligned, strict=True))


def _aligned(column: Sequence[str], *, right: bool) -> list[str]:
    width = max(map(len, column))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in column]


def format_of(model: Model) -> str:
    """Return the format and quantization, for example ``gguf Q4_1``."""
    quantization = model.parameters.quantization
    return model.format if quantization is UNSET else f"{model.format} {quantization}"


def parameters_of(model: Model) -> str:
    """Return the number of parameters, for example ``135 M``; empty if unknown."""
    count = model.parameters.parameter_count
    return "" if count is UNSET else parameter_count(count)
