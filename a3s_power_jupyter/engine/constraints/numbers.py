"""Rewrite the bounds of numbers, so that an answer keeps them also after it is rounded.

llguidance compares digits, a reader of the JSON compares doubles. Different decimals of at most 15
significant digits are different doubles, so numbers near a bound get no more digits than that.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ...contract.text import quoted
from .problems import CannotConstrain

BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")

#: Significant digits that a double always keeps.
DIGITS = 15

#: Largest magnitude of an integer without bounds. Small models may otherwise write digits until
#: `max_tokens`.
LARGEST_UNBOUNDED = 10**DIGITS - 1

#: Most decimals of a number with bounds. llguidance can count no more.
DECIMALS = 9

#: Largest `multipleOf`, in units of its fraction. The automaton of llguidance has about as many
#: states.
LARGEST_MULTIPLE = 4096

#: Decimals, and the largest multiple, where other subschemas apply to the same number. llguidance
#: uses the least common multiple, which is at most 2,520 for numbers up to ten.
COMBINED_DECIMALS = 6
COMBINED_MULTIPLE = 10

#: Largest magnitude of a bound. llguidance writes integers in 64 bits.
LARGEST = 2**62

#: Doubles between 2^53 and `LARGEST` include all multiples of this number.
GRID = 2**10


def number_keywords(node: dict[str, Any], path: str, *, combined: bool) -> dict[str, Any]:
    """Return the bounds and `multipleOf` for llguidance.

    Parameters
    ----------
    node : dict
        A subschema whose keywords have the right types.
    combined : bool
        Whether other subschemas apply to the same values.

    Raises
    ------
    CannotConstrain
        If no number is within the bounds, or they cannot be kept.
    """
    multiple = None
    if "multipleOf" in node:
        multiple = _multiple(node["multipleOf"], path, combined)
    bounds = _inclusive(node)
    whole = is_whole(node)
    if whole and not combined:
        bounds = _limited(bounds)
    if not bounds:
        return {} if multiple is None else {"multipleOf": node["multipleOf"]}
    step = multiple or (Fraction(1) if whole else _step(bounds, combined))
    if whole and step.denominator > 1:
        step = Fraction(step.numerator)  # the integers among the multiples
    result: dict[str, Any] = {}
    if not whole or multiple is not None:
        result["multipleOf"] = _number(step)
    low, high = _representable(*_rounded(bounds, step))
    if low is not None and high is not None and low > high:
        name = next(name for name in BOUNDS if name in node)
        raise CannotConstrain(
            f"No number keeps {name!r} and the other bounds and multiples beside it. Numbers with "
            f"bounds have at most {DECIMALS} decimals and are at most 2^62, at {path}/{name}.",
            f"{path}/{name}",
        )
    if low is not None:
        result["minimum"] = _number(low)
    if high is not None:
        result["maximum"] = _number(high)
    return result


def is_whole(node: dict[str, Any]) -> bool:
    """Whether the numbers that a subschema allows are integers."""
    types = node.get("type", "number")
    types = [types] if isinstance(types, str) else types
    return "integer" in types and "number" not in types


def _limited(bounds: dict[str, tuple[Fraction, bool]]) -> dict[str, tuple[Fraction, bool]]:
    """Add the bounds that are missing, unless the others are beyond them."""
    limit = Fraction(LARGEST_UNBOUNDED)
    low, high = bounds.get("low", (-limit, False)), bounds.get("high", (limit, False))
    return bounds if low[0] >= high[0] else {"low": low, "high": high}


def check_constant(value: float, path: str) -> None:
    """Raise `CannotConstrain` if llguidance would write another number than this one."""
    exact = Fraction(value)
    if isinstance(value, int) or value.is_integer():
        kept = abs(exact) <= LARGEST and Fraction(float(value)) == exact
    else:
        digits = format(value, ".15g")
        kept = float(digits) == value and abs(value) >= 1e-7
    if not kept:
        raise CannotConstrain(
            f"The number {quoted(value)} cannot be written exactly. Use an integer of at most "
            f"2^53, or a number of at most 15 digits and at least 1e-7, at {path}.",
            path,
        )


def _multiple(value: float, path: str, combined: bool) -> Fraction:
    """Return a `multipleOf`, if doubles have exact multiples of it, and llguidance can count it."""
    multiple = Fraction(value)
    limit = COMBINED_MULTIPLE if combined else LARGEST_MULTIPLE
    if multiple != _as_decimal(value) or multiple.denominator > 8 or multiple.numerator > limit:
        raise CannotConstrain(
            f"'multipleOf' is {quoted(value)}, but must be an integer of at most {limit:,}, or a "
            "small multiple of 0.125: rounded numbers have no exact multiples of others, and large "
            f"ones take too long, at {path}.",
            f"{path}/multipleOf",
        )
    return multiple


def _inclusive(node: dict[str, Any]) -> dict[str, tuple[Fraction, bool]]:
    """Return the lower and the upper bound, with whether the bound itself is excluded."""
    bounds: dict[str, tuple[Fraction, bool]] = {}
    for name, exclusive, side in (
        ("minimum", "exclusiveMinimum", "low"),
        ("maximum", "exclusiveMaximum", "high"),
    ):
        found = []
        if name in node:
            found.append((_as_decimal(node[name]), node.get(exclusive) is True))
        if exclusive in node and not isinstance(node[exclusive], bool):
            found.append((_as_decimal(node[exclusive]), True))
        if found:
            sign = 1 if side == "low" else -1
            bounds[side] = max(found, key=lambda bound: (sign * bound[0], bound[1]))
    return bounds


def _step(bounds: dict[str, tuple[Fraction, bool]], combined: bool) -> Fraction:
    """Return the distance between numbers that are distinct doubles near the bounds."""
    largest = max(abs(value) for value, _ in bounds.values())
    integer_digits = len(str(int(largest))) if largest >= 1 else 0
    decimals = max(0, min(DIGITS - integer_digits, DECIMALS))
    return Fraction(1, 10 ** min(decimals, COMBINED_DECIMALS if combined else DECIMALS))


def _rounded(
    bounds: dict[str, tuple[Fraction, bool]], step: Fraction
) -> tuple[Fraction | None, Fraction | None]:
    """Return the least and the largest multiple of `step` within the bounds."""
    low = high = None
    if "low" in bounds:
        value, excluded = bounds["low"]
        low = math.ceil(value / step) * step
        if excluded and low - value < step / 2:
            low += step
    if "high" in bounds:
        value, excluded = bounds["high"]
        high = math.floor(value / step) * step
        if excluded and value - high < step / 2:
            high -= step
    return low, high


def _representable(
    low: Fraction | None, high: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """Return bounds that llguidance can read, which are no wider."""
    if low is not None and abs(low) > 2**53:
        low = max(Fraction(-LARGEST), Fraction(math.ceil(low / GRID) * GRID))
    if high is not None and abs(high) > 2**53:
        high = min(Fraction(LARGEST), Fraction(math.floor(high / GRID) * GRID))
    if (low is not None and low > LARGEST) or (high is not None and high < -LARGEST):
        return Fraction(1), Fraction(0)  # nothing is within them
    return low, high


def _as_decimal(value: float) -> Fraction:
    """Return the number as it is written, not as it is rounded."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _number(value: Fraction) -> float:
    return int(value) if value.denominator == 1 else float(value)
