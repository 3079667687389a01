"""Count the servers that forward a request, so that remote models in a circle end with an error."""

from __future__ import annotations

from contextvars import ContextVar

#: The header in which a server tells an upstream how many servers have forwarded the request.
HEADER = "X-Power-Hops"

#: Most servers that forward a request.
MAX_HOPS = 5

#: How many servers have forwarded the request that the current task handles.
HOPS: ContextVar[int] = ContextVar("HOPS", default=0)


def set_hops(header: str | None) -> None:
    """Remember the header of a request, which anyone may have sent."""
    number = header or ""
    is_number = number.isascii() and number.isdecimal() and len(number) <= 3
    HOPS.set(int(number) if is_number else 0)
