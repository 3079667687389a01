"""Parse the ``Retry-After`` header of hubs and upstream servers."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Longest wait to return, in seconds.
MAX_RETRY_AFTER = 3600

#: Characters of the longest date (RFC 9110, section 5.6.7), generously.
_MAX_DATE = 64


def parse_retry_after(value: str) -> int | None:
    """Return the seconds of a ``Retry-After`` header, or None if it is empty or not valid.

    Parameters
    ----------
    value : str
        The header of another server: a number of seconds or a date (RFC 9110, section 10.2.3). At
        most `MAX_RETRY_AFTER` seconds are returned, and 0 for a date in the past.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(int(value.lstrip("0")[:10] or "0"), MAX_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(value[: _MAX_DATE + 1])
        if when.tzinfo is None:  # as in "-0000": the time is UTC
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError, TypeError, IndexError):  # what the parser raises on garbage
        return None
    return max(0, min(round(seconds), MAX_RETRY_AFTER))
