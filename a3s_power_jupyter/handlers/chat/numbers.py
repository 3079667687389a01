"""Refuse JSON values that cannot be sent to a worker."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.errors import InvalidParameter


def check_numbers(value: Any, param: str) -> None:
    """Raise `InvalidParameter` if `value` has numbers beyond 64 bits, or is nested too deeply."""
    try:
        msgspec.msgpack.encode(value)
    except (OverflowError, RecursionError):
        raise InvalidParameter(
            f"{param!r} has a number beyond 64 bits, or is nested too deeply.", param=param
        ) from None
