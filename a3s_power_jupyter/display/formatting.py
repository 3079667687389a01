"""Format sizes, counts, durations and properties of models as text."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from ..contract.types import Model


def size(count: int) -> str:
    """Format bytes in powers of 1000, as file managers do: ``98.1 MB``."""
    return _scaled(count, ("bytes", "kB", "MB", "GB", "TB"))


def parameter_count(count: int) -> str:
    """Format a number of parameters: ``135 M``."""
    return _scaled(count, ("", "k", "M", "B", "T"))


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
    """Format a duration in its largest unit, rounded: ``4 min``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length * 0.995:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Format rows of cells as lines of text with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def format_of(model: Model) -> str:
    """Return the format and quantization of a model: ``gguf Q4_1``."""
    quantization = model.parameters.quantization
    return model.format if quantization is UNSET else f"{model.format} {quantization}"


def parameters_of(model: Model) -> str:
    """Return the number of parameters of a model, or "" if unknown: ``135 M``."""
    count = model.parameters.parameter_count
    return "" if count is UNSET else parameter_count(count)
