"""Wait for changes made by other processes or threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 30.0) -> T:
    """Poll `condition` until it is true, and return its value.

    Raises
    ------
    AssertionError
        If it is still false after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still false after {seconds} seconds: {condition}"
        time.sleep(0.02)
    return value
