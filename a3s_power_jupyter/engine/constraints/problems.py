"""Errors of constraints."""

from __future__ import annotations

import re

from ...contract.errors import InvalidParameter
from ...contract.text import shortened

#: Parts of what llguidance says when one of its limits is reached.
_LIMITS = ("too big", "too complex", "TooComplex", "limit", "fuel", "too large", "too many")


class CannotConstrain(Exception):
    """A part of a constraint cannot be kept.

    Parameters
    ----------
    message : str
        A sentence, and what to do.
    path : str
        JSON pointer to the part of a schema, such as ``/properties/a/pattern``.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def in_field(self, field: str) -> InvalidParameter:
        """Return the error for a request whose `field` has the constraint."""
        param = f"{field}#{self.path}" if self.path else field
        return InvalidParameter(self.message, param=param)


def refused(reason: str) -> CannotConstrain:
    """Return the error for a constraint that llguidance refuses, or does not go on with."""
    pattern = re.search(
        r"regex parse error:.*^\s*error: ([^\n]+)", reason, re.DOTALL | re.MULTILINE
    )
    if pattern is not None:
        return CannotConstrain(f"The pattern is not valid: {shortened(pattern[1]).rstrip('.')}.")
    line = re.sub(r"^at \d+\(\d+\): ", "", _first_line(reason))
    line = line.removeprefix("failed to compile JSON schema: ")
    if line.startswith("Unsatisfiable schema: "):
        reason = shortened(line.removeprefix("Unsatisfiable schema: ")).rstrip(".")
        return CannotConstrain(f"The JSON schema allows no value: {reason}.")
    if "recursion limit" in line:
        return CannotConstrain("The constraint is nested too deeply. Use a flatter one.")
    if any(word in line for word in _LIMITS):
        return CannotConstrain("The constraint is too large or too complex. Use a simpler one.")
    if line.startswith("NoExtension"):
        return without_answer()
    return CannotConstrain(f"The constraint is not supported: {shortened(line).rstrip('.')}.")


def without_answer() -> CannotConstrain:
    """Return the error for a constraint that no answer, or no token of the model, satisfies."""
    return CannotConstrain(
        "No answer of this model can satisfy the constraint. Check that its parts do not "
        "contradict each other."
    )


def _first_line(reason: str) -> str:
    lines = [line.strip() for line in reason.strip().splitlines()]
    return next((line for line in lines if line), "no reason was given")
