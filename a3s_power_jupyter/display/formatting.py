"""Sizes, counts, durations and what a model is, in words."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from ..contract.types import Model


def size(count: int) -> str:
    """Bytes in powers of 1000, as file managers show them: ``98.1 MB``."""
    return _scaled(count, ("bytes", "kB", "MB", "GB", "TB"))


def parameter_count(count: int) -> str:
    """``135 M``"""
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
    """The largest unit that fits, rounded: ``4 min``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length * 0.995:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines of text, the cells of each column below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def format_of(model: Model) -> str:
    """``gguf Q4_1``"""
    quantization = model.parameters.quantization
    return model.format if quantization is UNSET else f"{model.format} {quantization}"


def parameters_of(model: Model) -> str:
    """``135 M``; empty where it is not known."""
    count = model.parameters.parameter_count
    return "" if count is UNSET else parameter_count(count)
